
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The status items that a store indexes: "status_index" of its block, or
 * "mdm_status_index" for those whose block has none.
 */


#include "ngx_mdm.h"
#include "ngx_mdm_store.h"

#include "mdm_ddm_item.h"


#define NGX_MDM_STATUS_INDEX  32


static char *ngx_mdm_store_index_read(ngx_conf_t *cf, ngx_array_t **index);
static ngx_uint_t ngx_mdm_store_index_known(const mdm_str_t *name);


/* indexed where nothing else is said */

static mdm_str_t  ngx_mdm_store_items[] = {
    mdm_string("device.operating-system.version"),
    mdm_string("device.model.family"),
    mdm_string("device.operating-system.family")
};


static ngx_array_t  ngx_mdm_store_index_default = {
    ngx_mdm_store_items, sizeof(ngx_mdm_store_items) / sizeof(mdm_str_t),
    sizeof(mdm_str_t), sizeof(ngx_mdm_store_items) / sizeof(mdm_str_t), NULL
};


char *
ngx_mdm_status_index(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_mdm_main_conf_t *mmcf = conf;

    (void) cmd;

    return ngx_mdm_store_index_read(cf, &mmcf->status_index);
}


char *
ngx_mdm_store_status_index(ngx_conf_t *cf, void *block,
    ngx_mdm_block_command_t *cmd)
{
    ngx_mdm_store_t *store = block;

    (void) cmd;

    return ngx_mdm_store_index_read(cf, &store->status_index);
}


void
ngx_mdm_store_index_init(ngx_array_t *stores, ngx_array_t *index)
{
    ngx_uint_t              i;
    ngx_mdm_store_t       **store;
    mdm_store_settings_t   *core;

    store = stores->elts;

    for (i = 0; i < stores->nelts; i++) {

        if (store[i]->status_index == NULL) {
            store[i]->status_index = (index != NULL)
                                     ? index : &ngx_mdm_store_index_default;
        }

        core = &store[i]->core;

        core->partitions = (uint32_t) store[i]->partitions;
        core->secrets = store[i]->secrets;
        core->encryption_required = store[i]->encryption_required;
        core->status_index = store[i]->status_index->elts;
        core->nstatus_index = store[i]->status_index->nelts;
    }
}


static char *
ngx_mdm_store_index_read(ngx_conf_t *cf, ngx_array_t **index)
{
    u_char       c;
    size_t       k;
    ngx_str_t   *value;
    mdm_str_t   *item;
    ngx_uint_t   i, n;

    if (*index != NULL) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts - 1 > NGX_MDM_STATUS_INDEX) {
        return "names too many items";
    }

    *index = ngx_array_create(cf->pool, cf->args->nelts - 1,
                                          sizeof(mdm_str_t));
    if (*index == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 1; i < cf->args->nelts; i++) {

        for (k = 0; k < value[i].len; k++) {
            c = value[i].data[k];

            if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z')
                && !(c >= '0' && c <= '9') && c != '-' && c != '.' && c != '_')
            {
                break;
            }
        }

        if (k != value[i].len || k == 0 || k > 255) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%V\" is not the name of a status item",
                               &value[i]);
            return NGX_CONF_ERROR;
        }

        item = (*index)->elts;

        for (n = 0; n < (*index)->nelts; n++) {
            if (mdm_str_eq(&item[n], (mdm_str_t *) &value[i])) {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "status item \"%V\" is named twice",
                                   &value[i]);
                return NGX_CONF_ERROR;
            }
        }

        if (!ngx_mdm_store_index_known((mdm_str_t *) &value[i])) {
            ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                               "\"%V\" is no status item that Apple's schema "
                               "knows: no device may ever report it",
                               &value[i]);
        }

        /* there is room */

        item = ngx_array_push(*index);
        ngx_mdm_str_copy(item, &value[i]);
    }

    return NGX_CONF_OK;
}


/* an item, or what is in one that holds others */

static ngx_uint_t
ngx_mdm_store_index_known(const mdm_str_t *name)
{
    const mdm_ddm_item_t  *item;

    item = mdm_ddm_item_owner(name);

    if (item == NULL) {
        return 0;
    }

    return item->name.len == name->len || item->type == 'D'
           || item->type == 'A' || item->type == 0;
}
