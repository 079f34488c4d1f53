
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The top level of a dictionary, without a tree.  A report may be megabytes
 * of values that nobody asks for, or hold something that the guarded reader
 * (mdm_plist.h) refuses: one scan follows the nesting, the keys that a caller
 * names become values, all others are passed over.  Inside of what is passed
 * over neither strings nor numbers, dates, entities and bytes are looked at,
 * and nothing is counted or allocated for it: XML is followed from tag to tag,
 * a binary plist by the offsets of the one dictionary.  The time is linear in
 * the input; the memory is at most twice that of the values asked for.
 *
 * Where mdm_plist_parse() takes an input, this finds the same values.
 */


#ifndef _MDM_PLIST_TOP_H_INCLUDED_
#define _MDM_PLIST_TOP_H_INCLUDED_


#include "mdm_plist.h"


/*
 * Limits for a dictionary whose members are listed: how many are listed, how
 * many are looked at, and the bytes of a name and of a text.
 */

#define MDM_TOP_MEMBERS       128
#define MDM_TOP_LOOKED        256
#define MDM_TOP_NAME_MAX      64
#define MDM_TOP_TEXT_MAX      1024
#define MDM_TOP_BYTES         16384        /* of all names and texts */


typedef enum {
    MDM_TOP_NONE = 0,            /* there is no such key */
    MDM_TOP_BAD,                 /* of a type below, but unreadable: not UTF-8,
                                    a NUL, too long, no number */
    MDM_TOP_STRING,
    MDM_TOP_BOOL,
    MDM_TOP_INTEGER,
    MDM_TOP_REAL,
    MDM_TOP_DATE,                /* this one and the following have no text */
    MDM_TOP_DATA,
    MDM_TOP_ARRAY,
    MDM_TOP_DICT,
    MDM_TOP_OTHER                /* what plists do not have */
} mdm_top_type_e;


/* a key that is asked for */

typedef struct {
    mdm_str_t                 name;        /* ASCII */
    size_t                    max;         /* longest string, bytes */
    mdm_uint_t                members;     /* 1: list a dict's scalars */
} mdm_top_key_t;

#define mdm_top_key(name, max)        { mdm_string(name), max, 0 }
#define mdm_top_key_members(name)     { mdm_string(name), 0, 1 }


/* what is found under it, the first time it comes */

typedef struct {
    mdm_top_type_e            type;
    mdm_uint_t                count;       /* how often the key came */
    mdm_str_t                 text;        /* a string, decoded; "true" or
                                              "false"; a number in decimal,
                                              the shortest for a real: all
                                              valid UTF-8 without a NUL */
    mdm_str_t                 slice;       /* XML: from its start tag to its
                                              end tag, as it came */
    uint64_t                  object;      /* binary: the object's number */
} mdm_top_value_t;


/* a string, boolean or number one level down */

typedef struct {
    mdm_uint_t                key;         /* index in the caller's keys */
    mdm_top_type_e            type;
    mdm_str_t                 name;
    mdm_str_t                 text;        /* as in mdm_top_value_t */
} mdm_top_member_t;


typedef struct {
    mdm_top_member_t         *members;     /* in the order of the input */
    mdm_uint_t                nmembers;
    size_t                    bytes;       /* of their names and texts */
    const char               *broken;      /* where nesting ends before the
                                              dictionary does: a constant text
                                              that says why; else NULL */
} mdm_top_t;


/*
 * Reads "in", XML or binary.  "values" has an element for each of the n keys,
 * and is filled in here.  Nothing is refused: what is no dictionary at all has
 * no values and is "broken"; what stands before the place where the nesting
 * breaks is found.  Texts and slices point into "in" or are owned by the
 * arena.  Members over the limits above, and those that are not readable,
 * are left out; of a name that comes twice, both are listed.
 *
 * MDM_OK, or MDM_ERROR: no memory.
 */
mdm_int_t mdm_plist_top(mdm_arena_t *arena, const mdm_str_t *in,
    const mdm_top_key_t *keys, mdm_uint_t n, mdm_top_value_t *values,
    mdm_top_t *top);

/* the first member of that name below key "key", or NULL */
const mdm_top_member_t *mdm_top_member(const mdm_top_t *top, mdm_uint_t key,
    const char *name);

/*
 * Makes a tree of one value, of any type but NONE, through the guarded reader:
 * its limits hold for the value alone.  "in" is what mdm_plist_top() was
 * given.  MDM_OK: *node lives as long as the arena, and is not to be freed;
 * MDM_DECLINED: *why, a constant; MDM_ERROR: no memory.
 */
mdm_int_t mdm_plist_top_parse(mdm_arena_t *arena, const mdm_str_t *in,
    const mdm_top_value_t *value, const mdm_limits_t *limits,
    plist_t *node, const char **why);


#endif /* _MDM_PLIST_TOP_H_INCLUDED_ */
