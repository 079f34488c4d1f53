
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Commands made from the schema table, for tests.
 */


#ifndef _MDM_UNIT_INSTANCE_H_INCLUDED_
#define _MDM_UNIT_INSTANCE_H_INCLUDED_


#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mdm_schema.h"
#include "mdm_schema_table.h"


/*
 * Deprecated from libplist 2.7 on, whose plist_new_unix_date() older versions
 * lack; which second it is does not matter here.
 */

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

static inline plist_t
instance_date(int32_t seconds)
{
    return plist_new_date(seconds, 0);
}


#pragma GCC diagnostic pop


/* a text of the format that the node asks for */

static inline const char *
instance_text(const mdm_schema_support_t *support)
{
    static const char  digits[] = "12345678901234567890";

    switch ((support == NULL) ? 0 : support->format) {

    case MDM_SCHEMA_URL:
        return "https://example.com/a?b=%20#c";

    case MDM_SCHEMA_UUID:
        return "0123abCD-4567-89ab-cdef-0123456789AB";

    case MDM_SCHEMA_DIGITS:
        return digits + sizeof(digits) - 1 - support->max;

    case MDM_SCHEMA_PROFILE:
        return "<plist version=\"1.0\"><dict><key>PayloadType</key>"
               "<string>Configuration</string></dict></plist>";

    default:
        return "a <string> & \xc3\xa4";
    }
}


/* 1 if a rule of the dictionary has to do with the key */

static inline int
instance_ruled(const mdm_schema_table_t *table, const mdm_schema_node_t *node,
    const char *key)
{
    mdm_uint_t                i, k;
    const mdm_schema_rule_t  *rule;

    for (i = 0; i < table->nrules; i++) {
        rule = &table->rules[i];

        for (k = 0; k < rule->nvalues; k++) {
            if (table->nodes + rule->node == node
                && strcmp(table->pool + table->values[rule->value + k], key)
                   == 0)
            {
                return 1;
            }
        }
    }

    return 0;
}


static inline plist_t instance(const mdm_schema_table_t *table,
    const mdm_schema_node_t *node, int full);


/* of keys that exclude each other the first, of others as many as there are */

static inline void
instance_rules(const mdm_schema_table_t *table, const mdm_schema_node_t *node,
    plist_t dict, int full)
{
    mdm_str_t                 key;
    mdm_uint_t                i, k;
    const char               *name;
    const mdm_schema_rule_t  *rule;

    for (i = 0; i < table->nrules; i++) {
        rule = &table->rules[i];

        if (table->nodes + rule->node != node) {
            continue;
        }

        for (k = 0; k < rule->nvalues; k++) {
            name = table->pool + table->values[rule->value + k];

            if (rule->kind == MDM_SCHEMA_ONE && k != 0) {
                plist_dict_remove_item(dict, name);

            } else if (rule->kind == MDM_SCHEMA_TOGETHER) {
                plist_dict_remove_item(dict, name);

            } else if (plist_dict_get_item(dict, name) == NULL
                       && (full || k == 0))
            {
                key.data = (u_char *) name;
                key.len = strlen(name);
                plist_dict_set_item(dict, name,
                    instance(table, mdm_schema_member(table, node, &key),
                             full));
            }
        }
    }
}


/*
 * A value of the node: full 0: with nothing that is not required; full 1:
 * with every key, every shape and every listed value.
 */

static inline plist_t
instance(const mdm_schema_table_t *table, const mdm_schema_node_t *node,
    int full)
{
    plist_t                   value;
    const char               *name, *text;
    mdm_uint_t                i;
    const mdm_schema_node_t  *child;

    child = table->nodes + node->child;
    text = instance_text(mdm_schema_support(table, node));

    switch (node->type) {

    case 'i':
        return plist_new_uint((node->nvalues == 0)
                              ? 7 : (uint64_t) table->integers[node->value]);

    case 'r':
        return plist_new_real(0.5);

    case 'b':
        return plist_new_bool(1);

    case 't':
        return instance_date(1000);

    case 'd':
        return (*text == '<') ? plist_new_data(text, strlen(text))
                              : plist_new_data("\0data\xff", 6);

    case 'A':
        value = plist_new_array();

        for (i = 0; i < node->nchildren; i++) {

            if (node->flags & MDM_SCHEMA_SHAPES) {
                plist_array_append_item(value,
                                        instance(table, child + i, full));

            } else if (full
                       || ((child->flags | node->flags) & MDM_SCHEMA_REQUIRED))
            {
                plist_array_append_item(value, instance(table, child, full));
                plist_array_append_item(value, instance(table, child, full));
            }
        }

        if (full && node->nchildren == 1 && child->type == 's') {
            for (i = 0; i < child->nvalues; i++) {
                name = table->pool + table->values[child->value + i];
                plist_array_append_item(value, plist_new_string(name));
            }
        }

        return value;

    case 'D':
        value = plist_new_dict();

        for (i = 0; i < node->nchildren; i++) {
            if (full || (child[i].flags & MDM_SCHEMA_REQUIRED)) {
                plist_dict_set_item(value, table->pool + child[i].name,
                                    instance(table, child + i, full));
            }
        }

        if (full && (node->flags & MDM_SCHEMA_ANY_KEY)) {
            plist_dict_set_item(value, "any & <key>",
                                instance(table, child + i, full));
        }

        instance_rules(table, node, value, full);

        return value;

    default:
        if (node->nvalues != 0) {
            return plist_new_string(table->pool + table->values[node->value]);
        }

        return plist_new_string(text);
    }
}


static inline plist_t
command_instance(mdm_uint_t i, int full)
{
    plist_t                    command;
    const char                *name;
    mdm_uint_t                 n;
    const mdm_schema_node_t   *common, *child;
    const mdm_schema_table_t  *table;

    table = &mdm_schema_commands;

    command = instance(table, table->nodes + i, full);

    plist_dict_set_item(command, "RequestType",
                        plist_new_string(table->pool + table->nodes[i].name));

    common = table->nodes + table->ncommands;

    for (n = 0; full && n < common->nchildren; n++) {
        child = table->nodes + common->child + n;
        name = table->pool + child->name;

        if (plist_dict_get_item(command, name) == NULL) {
            plist_dict_set_item(command, name, instance(table, child, full));
        }
    }

    return command;
}


#endif /* _MDM_UNIT_INSTANCE_H_INCLUDED_ */
