
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A walk over a value and a table side by side.  What holds the value, a plist
 * or JSON, is behind a reader: what the schema asks for is said once.
 */


#ifndef _MDM_SCHEMA_WALK_H_INCLUDED_
#define _MDM_SCHEMA_WALK_H_INCLUDED_


#include "mdm_schema.h"


/* on the way through a dictionary or an array; the fields are the reader's */

typedef struct {
    const void               *container;
    void                     *iter;
    char                     *key;         /* of the current member */
    size_t                    index;
} mdm_schema_iter_t;


/*
 * How values are read; all functions but "variable" are there.  A value is
 * what the library has: plist_t, const json_t *.
 */

typedef struct {
    /* a letter as in mdm_schema_node_t; 0: a type that it does not know */
    u_char                  (*type)(const void *value);

    /* is this what a node of that type wants? */
    mdm_uint_t              (*fits)(u_char type, const void *value);

    /* the words for both in "… expected, … found" */
    const char             *(*expected)(u_char type);
    const char             *(*found)(const void *value);

    /* the member of a dictionary; NULL: there is none */
    const void             *(*member)(const void *dict, const char *name);

    /*
     * The members of a dictionary or the elements of an array.  begin: MDM_OK,
     * or MDM_ERROR: no memory, and end is not to be called.  next: MDM_OK, and
     * the key, with a NUL behind it, is valid until it is called again;
     * MDM_DECLINED; MDM_ERROR.
     */
    mdm_int_t               (*begin_members)(mdm_schema_iter_t *iter,
                                             const void *dict);
    mdm_int_t               (*next_member)(mdm_schema_iter_t *iter,
                                           mdm_str_t *key,
                                           const void **value);
    mdm_int_t               (*begin_elements)(mdm_schema_iter_t *iter,
                                              const void *array);
    mdm_int_t               (*next_element)(mdm_schema_iter_t *iter,
                                            const void **value);
    void                    (*end)(mdm_schema_iter_t *iter);

    /* scalars, of the type that each is named after */
    void                    (*string)(const void *value, mdm_str_t *s);
    int64_t                 (*integer)(const void *value);
    double                  (*real)(const void *value);

    /* data; NULL: there are none */
    void                    (*data)(const void *value, mdm_str_t *s);

    /* 1: a string that may become anything.  NULL: there are none */
    mdm_uint_t              (*variable)(const void *value);

    /* dates and data are strings: RFC 3339, base64 */
    mdm_uint_t                coded;
} mdm_schema_reader_t;


/* plist_t; a number of 64 bits above INT64_MAX is read as a negative one */
extern const mdm_schema_reader_t  mdm_schema_plist;

/* const json_t *; a string with "${" in it has variables */
extern const mdm_schema_reader_t  mdm_schema_json;


typedef struct {
    mdm_arena_t               *arena;
    const mdm_schema_table_t  *table;
    const mdm_schema_reader_t *reader;
    mdm_schema_result_t       *result;
    mdm_uint_t                 strict;
    mdm_uint_t                 depth;      /* 0 at first */
    mdm_uint_t                 lenient;    /* 0 at first; 1: nothing is
                                              refused here */
} mdm_schema_walk_t;


/*
 * A dictionary, which is at the path, against a node of type 'D'.  What is
 * refused and what is a warning is said at mdm_schema_command().  MDM_OK;
 * MDM_DECLINED: result->error; MDM_ERROR: no memory.
 */
mdm_int_t mdm_schema_walk(mdm_schema_walk_t *walk,
    const mdm_schema_node_t *node, const void *dict,
    const mdm_schema_path_t *path);

/*
 * Of what is at the path: a warning, or where it is strict a refusal; a
 * refusal.  MDM_OK, MDM_DECLINED, MDM_ERROR as above.
 */
mdm_int_t mdm_schema_unknown(mdm_schema_walk_t *walk,
    const mdm_schema_path_t *path, const mdm_str_t *what);
mdm_int_t mdm_schema_refuse(mdm_schema_walk_t *walk,
    const mdm_schema_path_t *path, const mdm_str_t *what);

/*
 * Keys that do not go together in the dictionary of a node; a value that is
 * not of the node's format, if it has any: mdm_schema_unknown() says so.
 */
mdm_int_t mdm_schema_rules(mdm_schema_walk_t *walk,
    const mdm_schema_node_t *node, const void *dict,
    const mdm_schema_path_t *path);
mdm_int_t mdm_schema_format(mdm_schema_walk_t *walk,
    const mdm_schema_node_t *node, const mdm_str_t *value,
    const mdm_schema_path_t *path);

/* the same, refuse is 1 or 0, of a key of the dictionary at the path */
mdm_int_t mdm_schema_key(mdm_schema_walk_t *walk,
    const mdm_schema_path_t *path, const char *key, const char *what,
    mdm_uint_t refuse);


#endif /* _MDM_SCHEMA_WALK_H_INCLUDED_ */
