
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A status report, taken apart.  StatusItems is nested, and where an item
 * ends cannot be seen: the table of items says it.  What the table does not
 * know is taken apart down to its leaves.
 *
 * A place is the dotted path of a value, "device.model.family"; an element of
 * an array whose elements have an "identifier" has a place of its own: the
 * path, a byte 0x1f, the identifier.  The path with 0x1f alone stands for the
 * array itself, which may be empty.
 */


#ifndef _MDM_DDM_REPORT_H_INCLUDED_
#define _MDM_DDM_REPORT_H_INCLUDED_


#include "mdm_json_mend.h"
#include "mdm_plist.h"


#define MDM_DDM_ELEMENT       0x1f    /* between a path and an identifier */

#define MDM_DDM_VALUES        10000   /* of a report */
#define MDM_DDM_PATH_MAX      1024    /* bytes */
#define MDM_DDM_ID_MAX        1024

#define MDM_DDM_DECLARATIONS  "management.declarations"
#define MDM_DDM_CLIENT        "management.client-capabilities"


/* what is to be done at a place, as the script takes it */

typedef enum {
    MDM_DDM_SET = '=',           /* this is the value */
    MDM_DDM_REMOVE = '-',        /* an element is gone */
    MDM_DDM_ARRAY = '@',         /* elements of this array follow */
    MDM_DDM_EMPTY = '[',         /* an empty array: if it is one of elements,
                                    none of them has changed */
    MDM_DDM_PLAIN = '~'          /* an array whose elements should have had an
                                    identifier: it takes the place of none
                                    that has */
} mdm_ddm_value_e;


typedef struct {
    mdm_ddm_value_e           type;
    mdm_uint_t                unknown;     /* 1: the path is that of no item,
                                              so others may be above or below
                                              it */
    mdm_str_t                 place;
    mdm_str_t                 json;        /* compact, keys sorted; empty if
                                              the element is gone */
} mdm_ddm_value_t;


typedef struct {
    mdm_uint_t                full;        /* what is not in it is gone */
    mdm_uint_t                skipped;     /* values that have no place: too
                                              long a name, a wrong type, no
                                              identifier */
    mdm_str_t                 first;       /* the path of the first of them */
    mdm_json_mend_t           odd;         /* values that are kept as text */
    mdm_str_t                 client;      /* what the client can do, as JSON,
                                              or empty: it does not say */
    mdm_ddm_value_t          *values;
    mdm_uint_t                nvalues;
    mdm_str_t                *errors;      /* elements of Errors, as JSON, and
                                              declarations that are not valid:
                                              ".StatusItems.PATH JSON" */
    mdm_uint_t                nerrors;
} mdm_ddm_report_t;


/*
 * Reads a report; of its errors no more than "errors".  All of it is owned by
 * the arena.  MDM_OK; MDM_DECLINED: *why is a constant text that says what is
 * wrong; MDM_ERROR: no memory.
 */
mdm_int_t mdm_ddm_report_read(mdm_arena_t *arena, const mdm_str_t *data,
    const mdm_limits_t *limits, mdm_uint_t errors,
    mdm_ddm_report_t *report, const char **why);


#endif /* _MDM_DDM_REPORT_H_INCLUDED_ */
