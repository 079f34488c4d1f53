
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Looks up status items in the table that is made of Apple's schema.
 */


#include "mdm_ddm_item.h"


static mdm_uint_t mdm_ddm_item_place(const mdm_str_t *name);


/* of the first item that is not before the name */

static mdm_uint_t
mdm_ddm_item_place(const mdm_str_t *name)
{
    mdm_uint_t  from, to, i;

    from = 0;
    to = mdm_ddm_nitems;

    while (from < to) {
        i = (from + to) / 2;

        if (mdm_str_cmp(&mdm_ddm_items[i].name, name) < 0) {
            from = i + 1;

        } else {
            to = i;
        }
    }

    return from;
}


const mdm_ddm_item_t *
mdm_ddm_item_find(const mdm_str_t *name)
{
    mdm_uint_t  i;

    i = mdm_ddm_item_place(name);

    return (i < mdm_ddm_nitems && mdm_str_eq(&mdm_ddm_items[i].name, name))
           ? &mdm_ddm_items[i] : NULL;
}


mdm_uint_t
mdm_ddm_item_named(const mdm_str_t *name)
{
    mdm_uint_t  i;

    i = mdm_ddm_item_place(name);

    return i < mdm_ddm_nitems && mdm_str_eq(&mdm_ddm_items[i].name, name)
           && mdm_ddm_items[i].elements;
}


mdm_uint_t
mdm_ddm_item_prefix(const mdm_str_t *name)
{
    mdm_uint_t        i;
    const mdm_str_t  *item;

    for (i = mdm_ddm_item_place(name); i < mdm_ddm_nitems; i++) {
        item = &mdm_ddm_items[i].name;

        if (item->len < name->len
            || memcmp(item->data, name->data, name->len) != 0)
        {
            break;
        }

        if (item->len > name->len && item->data[name->len] == '.') {
            return 1;
        }
    }

    return 0;
}


const mdm_ddm_item_t *
mdm_ddm_item_owner(const mdm_str_t *path)
{
    mdm_str_t              name;
    const mdm_ddm_item_t  *item;

    name = *path;

    while (name.len != 0) {

        if (name.len == path->len || path->data[name.len] == '.') {
            item = mdm_ddm_item_find(&name);

            if (item != NULL) {
                return item;
            }
        }

        name.len--;
    }

    return NULL;
}
