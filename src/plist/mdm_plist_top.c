
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The top level of a dictionary, and a tree of one of its values.
 */


#include "mdm_plist_top_read.h"


mdm_int_t
mdm_plist_top(mdm_arena_t *arena, const mdm_str_t *in,
    const mdm_top_key_t *keys, mdm_uint_t n, mdm_top_value_t *values,
    mdm_top_t *top)
{
    mdm_int_t       rc;
    mdm_top_read_t  r;

    memset(values, 0, n * sizeof(mdm_top_value_t));
    memset(top, 0, sizeof(mdm_top_t));
    memset(&r, 0, sizeof(mdm_top_read_t));

    r.arena = arena;
    r.in = in;
    r.keys = keys;
    r.n = n;
    r.values = values;
    r.top = top;

    if (in->len >= 6 && memcmp(in->data, "bplist", 6) == 0) {
        rc = mdm_top_binary(&r);

    } else {
        rc = mdm_top_xml(&r);
    }

    return (rc == MDM_ERROR) ? MDM_ERROR : MDM_OK;
}


const mdm_top_member_t *
mdm_top_member(const mdm_top_t *top, mdm_uint_t key, const char *name)
{
    mdm_uint_t  i;

    for (i = 0; i < top->nmembers; i++) {
        if (top->members[i].key == key
            && mdm_str_is(&top->members[i].name, name))
        {
            return &top->members[i];
        }
    }

    return NULL;
}


mdm_int_t
mdm_plist_top_parse(mdm_arena_t *arena, const mdm_str_t *in,
    const mdm_top_value_t *value, const mdm_limits_t *limits,
    plist_t *node, const char **why)
{
    u_char              *p;
    plist_t              root;
    mdm_int_t            rc;
    mdm_str_t            one;
    mdm_limits_t         more;

    static const mdm_str_t  head = mdm_string("<plist><dict><key>v</key>");
    static const mdm_str_t  tail = mdm_string("</dict></plist>");

    if (value->slice.len == 0) {
        rc = mdm_top_binary_one(arena, in, value->object, &one, why);
        if (rc != MDM_OK) {
            return rc;
        }

    } else {
        one.len = head.len + value->slice.len + tail.len;
        one.data = mdm_arena_alloc(arena, one.len);

        if (one.data == NULL) {
            *why = "no memory to read the value";
            return MDM_ERROR;
        }

        p = one.data;

        memcpy(p, head.data, head.len);
        p += head.len;

        memcpy(p, value->slice.data, value->slice.len);
        p += value->slice.len;

        memcpy(p, tail.data, tail.len);
    }

    /* the dictionary around it, and its key */

    more.depth = limits->depth + 1;
    more.nodes = limits->nodes + 2;

    rc = mdm_plist_parse(arena, &one, &more, &root, why);

    if (rc == MDM_OK) {
        *node = plist_dict_get_item(root, "v");
    }

    return rc;
}
