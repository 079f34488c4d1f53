
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What a query for enrollments asks for.
 */


#ifndef _MDM_API_QUERY_H_INCLUDED_
#define _MDM_API_QUERY_H_INCLUDED_


#include "mdm_api_ids.h"
#include "mdm_api_json.h"
#include "mdm_api_scan.h"
#include "mdm_key.h"


#define MDM_API_QUERY_OFFSET  1000000000

/* lists of a filter, as the script takes them */
#define MDM_API_QUERY_LISTS   7


typedef struct {
    mdm_uint_t                by_id;       /* the filter names ids */
    mdm_api_ids_t             ids;
    mdm_uint_t                next;        /* chunk of them */
    mdm_str_t                *serials;     /* by the index: each once */
    mdm_uint_t                nserials;
    mdm_uint_t                in_filter;   /* 1, set before the body is read:
                                              they stay in "filter", and
                                              partitions are gone through */
    mdm_uint_t                looked;      /* serials, up to here */
    mdm_api_ids_t             devices;     /* that came with them; the name
                                              is the serial number */
    mdm_uint_t                room;        /* for devices */
    mdm_api_id_t            **stale;       /* devices that do not belong there
                                              any more */
    mdm_uint_t                nstale;
    mdm_str_t                *filter;      /* the other lists, as the script
                                              takes them */
    mdm_uint_t                nfilter;
    mdm_str_t                 enabled;     /* "", "0" or "1" */
    mdm_str_t                 supervised;  /* the same */
    mdm_str_t                 push_dead;   /* the same */
    mdm_uint_t                assigned;    /* sets or tags are asked for */
    mdm_uint_t                include_cert;
    mdm_uint_t                include_unlock;

    mdm_uint_t                limit;       /* rows a page */
    mdm_uint_t                offset;      /* rows to skip, at first */
    mdm_uint_t                skip;        /* and still */
    mdm_api_scan_t            scan;        /* behind which id it stands */
    mdm_uint_t                rows;        /* written */
    mdm_json_out_t            json;
} mdm_api_query_t;


/*
 * Reads the body, which may be empty.  What is of a wrong type or unknown is
 * refused with its path.  MDM_OK, MDM_DONE or MDM_ERROR.
 */
mdm_int_t mdm_api_query_read(mdm_exchange_t *x, mdm_api_query_t *q);

/* the same of GET /v1/enrollments?serial=…&serial=… */
mdm_int_t mdm_api_query_read_args(mdm_exchange_t *x, mdm_api_query_t *q);


/* mdm_api_serial.c: serial numbers by their index */

/* more than this many devices are not looked for by one serial number */
#define MDM_API_SERIAL_IDS    5000

/* states of x, beside those of mdm_api_query.c */
#define MDM_API_STATE_SERIAL  100
#define MDM_API_STATE_DEVICE  101
#define MDM_API_STATE_STALE   102

/* begins with q->serials, and goes on in these states; as a step */
mdm_int_t mdm_api_serial_start(mdm_exchange_t *x, mdm_api_query_t *q);
mdm_int_t mdm_api_serial_step(mdm_exchange_t *x, mdm_api_query_t *q);


/* mdm_api_query_row.c: calls and rows, for both ways */

/*
 * Call i of a round, and its arguments; returns the place for "nids" more;
 * NULL: no memory
 */
mdm_str_t *mdm_api_query_args(mdm_exchange_t *x, mdm_api_query_t *q,
    mdm_uint_t i, const mdm_str_t *tag, mdm_uint_t nids);

/* how many calls of a round may go out, by their bytes: 1 to n */
mdm_uint_t mdm_api_query_width(const mdm_api_query_t *q, mdm_uint_t n);

/* writes a row of partition "tag"; MDM_OK, MDM_DONE or MDM_ERROR */
mdm_int_t mdm_api_query_row(mdm_exchange_t *x, mdm_api_query_t *q,
    const mdm_str_t *tag, const mdm_reply_t *row);

/* ends the answer; MDM_DONE or MDM_ERROR */
mdm_int_t mdm_api_query_answer(mdm_exchange_t *x, mdm_api_query_t *q);


#endif /* _MDM_API_QUERY_H_INCLUDED_ */
