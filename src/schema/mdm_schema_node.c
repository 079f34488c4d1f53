
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Finds commands, declarations and keys in the tables of a schema.
 */


#include "mdm_schema.h"


static const mdm_schema_node_t *mdm_schema_search(
    const mdm_schema_table_t *table, mdm_uint_t first, mdm_uint_t n,
    const char *name, size_t len);
static int mdm_schema_compare(const char *name, const char *text,
    size_t len);


const mdm_schema_node_t *
mdm_schema_find(const mdm_schema_table_t *table, const mdm_str_t *request_type)
{
    return mdm_schema_search(table, 0, table->ncommands,
                             (const char *) request_type->data,
                             request_type->len);
}


const mdm_schema_node_t *
mdm_schema_member(const mdm_schema_table_t *table,
    const mdm_schema_node_t *node, const mdm_str_t *key)
{
    const mdm_schema_node_t  *child, *any;

    if (node == NULL || node->type != 'D') {
        return NULL;
    }

    child = mdm_schema_search(table, node->child, node->nchildren,
                              (const char *) key->data, key->len);

    if (child != NULL) {
        return child;
    }

    if (node->flags & MDM_SCHEMA_ANY_KEY) {
        return table->nodes + node->child + node->nchildren;
    }

    if (node >= table->nodes && node < table->nodes + table->ncommands) {
        any = table->nodes + table->ncommands;

        return mdm_schema_search(table, any->child, any->nchildren,
                                 (const char *) key->data, key->len);
    }

    return NULL;
}


const mdm_schema_node_t *
mdm_schema_element(const mdm_schema_table_t *table,
    const mdm_schema_node_t *node, const mdm_str_t *item)
{
    if (node == NULL || node->type != 'A' || node->nchildren == 0) {
        return NULL;
    }

    if (node->flags & MDM_SCHEMA_SHAPES) {

        if (item == NULL) {
            return NULL;
        }

        return mdm_schema_search(table, node->child, node->nchildren,
                                 (const char *) item->data, item->len);
    }

    return table->nodes + node->child;
}


const mdm_schema_support_t *
mdm_schema_support(const mdm_schema_table_t *table,
    const mdm_schema_node_t *node)
{
    mdm_uint_t  i;

    if (node == NULL || table->support == NULL) {
        return NULL;
    }

    i = table->support[node - table->nodes];

    return (i == 0) ? NULL : table->supports + i;
}


int
mdm_schema_type(const mdm_schema_node_t *node)
{
    return (node == NULL) ? 0 : node->type;
}


mdm_uint_t
mdm_schema_listed(const mdm_schema_table_t *table,
    const mdm_schema_node_t *node, const mdm_str_t *value)
{
    int              rc;
    mdm_uint_t       i, low, high;
    const uint16_t  *values;

    values = table->values + node->value;
    low = 0;
    high = node->nvalues;

    while (low < high) {
        i = (low + high) / 2;

        rc = mdm_schema_compare(table->pool + values[i],
                                (const char *) value->data, value->len);
        if (rc == 0) {
            return 1;
        }

        if (rc < 0) {
            low = i + 1;

        } else {
            high = i;
        }
    }

    return 0;
}


static const mdm_schema_node_t *
mdm_schema_search(const mdm_schema_table_t *table, mdm_uint_t first,
    mdm_uint_t n, const char *name, size_t len)
{
    int                       rc;
    mdm_uint_t                i, low, high;
    const mdm_schema_node_t  *node;

    low = first;
    high = first + n;

    while (low < high) {
        i = (low + high) / 2;
        node = table->nodes + i;

        rc = mdm_schema_compare(table->pool + node->name, name, len);

        if (rc == 0) {
            return node;
        }

        if (rc < 0) {
            low = i + 1;

        } else {
            high = i;
        }
    }

    return NULL;
}


/* by bytes, as the generator sorts; the text may hold any byte */

static int
mdm_schema_compare(const char *name, const char *text, size_t len)
{
    int     rc;
    size_t  n;

    if (len == 0) {
        return (*name == '\0') ? 0 : 1;
    }

    n = strlen(name);
    rc = memcmp(name, text, (n < len) ? n : len);

    if (rc != 0 || n == len) {
        return rc;
    }

    return (n < len) ? -1 : 1;
}
