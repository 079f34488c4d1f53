
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What the readers of a top level share.  Only mdm_plist_top*.c include this.
 */


#ifndef _MDM_PLIST_TOP_READ_H_INCLUDED_
#define _MDM_PLIST_TOP_READ_H_INCLUDED_


#include "mdm_plist_guard.h"
#include "mdm_plist_top.h"


typedef struct {
    mdm_arena_t              *arena;
    const mdm_str_t          *in;
    const mdm_top_key_t      *keys;
    mdm_uint_t                n;
    mdm_top_value_t          *values;
    mdm_top_t                *top;
    mdm_uint_t                looked;      /* members listed so far */

    const u_char             *p;           /* XML: what comes next */
    const u_char             *last;
} mdm_top_read_t;


/*
 * Both return MDM_OK: read to the end of the dictionary; MDM_DECLINED: broken,
 * top->broken says where; MDM_ERROR: no memory.
 */
mdm_int_t mdm_top_xml(mdm_top_read_t *r);
mdm_int_t mdm_top_binary(mdm_top_read_t *r);

/* the index of a key that is asked for, or r->n */
mdm_uint_t mdm_top_find(const mdm_top_read_t *r, const u_char *name,
    size_t len);

/* 1 if one more member may be looked at, which counts it; else 0 */
mdm_uint_t mdm_top_more(mdm_top_read_t *r);

/* lists a member if it is a readable scalar; MDM_OK or MDM_ERROR */
mdm_int_t mdm_top_add(mdm_top_read_t *r, mdm_uint_t key,
    const mdm_str_t *name, const mdm_top_value_t *value);

/*
 * The text of a number, given as an object of a binary plist (0x1N, 0x2N),
 * which is complete.  Sets type and text.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_top_number(mdm_arena_t *arena, const u_char *object,
    mdm_top_value_t *value);

/*
 * A binary plist of a dictionary with one key, "v", whose value is an object
 * of "in"; MDM_OK, MDM_DECLINED or MDM_ERROR.
 */
mdm_int_t mdm_top_binary_one(mdm_arena_t *arena, const mdm_str_t *in,
    uint64_t object, mdm_str_t *out, const char **why);


/* never MDM_OK */

static inline mdm_int_t
mdm_top_broken(mdm_top_read_t *r, const char *why)
{
    r->top->broken = why;

    return MDM_DECLINED;
}


#endif /* _MDM_PLIST_TOP_READ_H_INCLUDED_ */
