
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Replies of Redis, and the one way to read them: a reply may be of another
 * shape than its script says, or be cut short, and nothing comes of it but a
 * default.  Slots go by their names, MDM_RET_<SCRIPT>_<NAME>, see
 * mdm_script.h.
 */


#ifndef _MDM_REPLY_H_INCLUDED_
#define _MDM_REPLY_H_INCLUDED_


#include "mdm_base.h"


/* A Redis reply (RESP2), read-only for steps. */

typedef enum {
    MDM_REPLY_NIL = 0,
    MDM_REPLY_INTEGER,
    MDM_REPLY_STRING,            /* bulk or status */
    MDM_REPLY_ARRAY,
    MDM_REPLY_ERROR              /* str is the error's text */
} mdm_reply_e;


typedef struct mdm_reply_s  mdm_reply_t;

struct mdm_reply_s {
    mdm_reply_e               type;
    int64_t                   integer;
    mdm_str_t                 str;
    size_t                    nelements;
    mdm_reply_t             **elements;
};


/* all take NULL, and what is no array, for an empty one */

/* element 0 where that is a script's code, an integer, or "def" */
int64_t mdm_reply_code(const mdm_reply_t *reply, int64_t def);

/* integer of element i, or "def" */
int64_t mdm_reply_int(const mdm_reply_t *reply, size_t i, int64_t def);

/* the same for what is counted: 0 to "most", else the nearer of them */
int64_t mdm_reply_count(const mdm_reply_t *reply, size_t i, int64_t most);

/* string of element i; empty where it is nil or absent */
mdm_str_t mdm_reply_str(const mdm_reply_t *reply, size_t i);

/* element i, or NULL */
const mdm_reply_t *mdm_reply_at(const mdm_reply_t *reply, size_t i);

/* how many elements there are */
size_t mdm_reply_size(const mdm_reply_t *reply);

/*
 * 1 if elements i to i + n - 1 are there, else 0: the next row of a list of
 * rows that have n elements each, MDM_NRET_<SCRIPT>_<ROW>
 */
mdm_uint_t mdm_reply_row(const mdm_reply_t *reply, size_t i, size_t n);


#endif /* _MDM_REPLY_H_INCLUDED_ */
