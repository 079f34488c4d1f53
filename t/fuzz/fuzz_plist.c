
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The plist reader under libFuzzer.  The corpus is t/fuzz/corpus/plist; an
 * input that failed once is kept there, and t/unit/test_plist.c reads all of
 * them.
 */


#include <stdlib.h>

#include "mdm_plist.h"


#define MDM_FUZZ_ITEMS        8


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_walk(plist_t dict);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    plist_t             root, again;
    mdm_int_t           rc;
    mdm_str_t           in, xml;
    const char         *why, *second;
    mdm_arena_t        *arena;
    mdm_limits_t  limits;

    limits.depth = MDM_PLIST_DEPTH;
    limits.nodes = MDM_PLIST_NODES;

    in.len = size;
    in.data = (u_char *) data;

    arena = mdm_arena_create(1024);
    if (arena == NULL) {
        return 0;
    }

    root = NULL;
    why = NULL;
    second = NULL;

    rc = mdm_plist_parse(arena, &in, &limits, &root, &why);

    /* what passes the guard libplist can read: anything else is a hole */

    if (rc != MDM_OK && rc != MDM_DECLINED) {
        abort();
    }

    if (mdm_plist_check(&in, &limits, &second) != rc
        || (rc == MDM_OK) != (root != NULL)
        || (rc == MDM_OK) != (why == NULL) || why != second)
    {
        abort();
    }

    if (rc == MDM_OK) {
        fuzz_walk(root);

        if (mdm_plist_xml(arena, root, &xml) != MDM_OK) {
            abort();
        }

        rc = mdm_plist_parse(arena, &xml, &limits, &again, &why);

        if (rc != MDM_OK && rc != MDM_DECLINED) {
            abort();
        }
    }

    mdm_arena_destroy(arena);

    return 0;
}


/* the getters on what is there; reads all bytes they give */

static void
fuzz_walk(plist_t dict)
{
    char             *key;
    size_t            i, n;
    plist_t           value;
    mdm_str_t         s;
    mdm_uint_t        b;
    volatile u_char   sum;
    plist_dict_iter   iter;

    iter = NULL;
    plist_dict_new_iter(dict, &iter);

    for (n = 0; n < MDM_FUZZ_ITEMS; n++) {
        key = NULL;
        plist_dict_next_item(dict, iter, &key, &value);

        if (key == NULL) {
            break;
        }

        sum = 0;
        s.len = 0;

        if (mdm_plist_string(dict, key, &s) == MDM_OK
            || mdm_plist_data(dict, key, &s) == MDM_OK)
        {
            for (i = 0; i < s.len; i++) {
                sum = (u_char) (sum + s.data[i]);
            }
        }

        (void) mdm_plist_bool(dict, key, &b);

        free(key);
    }

    free(iter);
}
