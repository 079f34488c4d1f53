
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Which declarations are active and why not, and the report of it.
 */


#include "mdmsim_ddm.h"

#include <stdlib.h>


#define SIM_DDM_LEVELS  16      /* of an item's name */


/* an item of a report */

typedef struct {
    char                     *name;
    sim_buf_t                 value;       /* JSON; empty: there is none */
} sim_entry_value_t;


typedef struct {
    sim_entry_value_t        *values;
    uint32_t                  n;
} sim_values_t;


static const char *sim_ddm_type(const sim_decl_t *decl);
static uint32_t sim_ddm_payload(const sim_decl_t *decl);
static sim_decl_t *sim_ddm_by_id(sim_ddm_t *d, sim_dkind_e kind,
    const char *id);
static void sim_ddm_reason(sim_decl_t *decl, const char *code,
    const char *text, const char *key, const char *value);
static void sim_ddm_activation(const sim_view_t *view, sim_ddm_t *d,
    sim_decl_t *decl, int *named);
static void sim_ddm_configuration(sim_ddm_t *d, sim_decl_t *decl,
    int *named);
static void sim_ddm_assets(sim_ddm_t *d, const sim_json_t *j, uint32_t node,
    int active, int *named, sim_buf_t *missing);
static void sim_ddm_subscriptions(const sim_view_t *view,
    const sim_ddm_t *d, sim_values_t *values);
static sim_entry_value_t *sim_ddm_value(sim_values_t *values,
    const char *name);
static void sim_ddm_declarations(const sim_ddm_t *d, sim_buf_t *out);
static int sim_ddm_changed(sim_ddm_t *d, const sim_entry_value_t *e);
static void sim_ddm_unlisted(sim_ddm_t *d);
static int sim_ddm_compare(const void *a, const void *b);
static void sim_ddm_nest(const sim_values_t *values, sim_buf_t *out);
static size_t sim_ddm_split(const char *name, const char **parts,
    size_t *lens);


static const char *
sim_ddm_type(const sim_decl_t *decl)
{
    const char  *type;

    type = sim_json_string(&decl->json, sim_json_get(&decl->json,
                                                decl->json.root, "Type"));

    return type == NULL ? "" : type;
}


static uint32_t
sim_ddm_payload(const sim_decl_t *decl)
{
    return sim_json_get(&decl->json, decl->json.root, "Payload");
}


static sim_decl_t *
sim_ddm_by_id(sim_ddm_t *d, sim_dkind_e kind, const char *id)
{
    uint32_t  i;

    for (i = 0; i < d->ndecls; i++) {
        if (d->decls[i].kind == kind && strcmp(d->decls[i].id, id) == 0) {
            return &d->decls[i];
        }
    }

    return NULL;
}


/* "value" is JSON */

static void
sim_ddm_reason(sim_decl_t *decl, const char *code, const char *text,
    const char *key, const char *value)
{
    sim_buf_t  *b;

    b = &decl->reasons;

    sim_buf_printf(b, "%s{\"code\":\"%s\",\"description\":\"%s\","
                   "\"details\":{\"Identifier\":", b->len == 0 ? "" : ",",
                   code, text);
    sim_json_quote(b, decl->id);
    sim_buf_str(b, ",\"ServerToken\":");
    sim_json_quote(b, decl->token);

    if (key != NULL) {
        sim_buf_printf(b, ",\"%s\":%s", key, value);
    }

    sim_buf_str(b, "}}");
}


void
sim_ddm_evaluate(const sim_view_t *view, sim_ddm_t *d)
{
    int         *named;
    uint32_t     i;
    sim_decl_t  *decl;

    named = sim_alloc(d->ndecls * sizeof(int));

    for (i = 0; i < d->ndecls; i++) {
        decl = &d->decls[i];
        decl->active = 0;
        decl->valid = "valid";
        decl->reasons.len = 0;

        if (decl->json.root == 0) {
            (void) sim_json_parse(&decl->json, decl->body.data,
                                  decl->body.len);
        }
    }

    for (i = 0; i < d->ndecls; i++) {
        if (d->decls[i].kind == SIM_D_ACTIVATION) {
            sim_ddm_activation(view, d, &d->decls[i], named);
        }
    }

    for (i = 0; i < d->ndecls; i++) {
        if (d->decls[i].kind == SIM_D_CONFIGURATION) {
            if (!named[i]) {
                sim_ddm_reason(&d->decls[i], "Info.NotReferencedByActivation",
                               "no activation names it", NULL, NULL);
            }

            sim_ddm_configuration(d, &d->decls[i], named);
        }
    }

    for (i = 0; i < d->ndecls; i++) {
        if (d->decls[i].kind == SIM_D_ASSET && !named[i]) {
            sim_ddm_reason(&d->decls[i], "Info.NotReferencedByConfiguration",
                           "no configuration names it", NULL, NULL);
        }
    }

    free(named);
}


/* named: by declaration, whether another one refers to it */

static void
sim_ddm_activation(const sim_view_t *view, sim_ddm_t *d, sim_decl_t *decl,
    int *named)
{
    int                round;
    uint32_t           list, n;
    sim_buf_t          missing, text;
    sim_decl_t        *conf;
    const char        *id, *predicate;
    sim_truth_e        truth;
    const sim_json_t  *j;

    memset(&missing, 0, sizeof(sim_buf_t));
    memset(&text, 0, sizeof(sim_buf_t));

    j = &decl->json;
    list = sim_json_get(j, sim_ddm_payload(decl), "StandardConfigurations");
    predicate = sim_json_string(j, sim_json_get(j, sim_ddm_payload(decl),
                                                "Predicate"));

    truth = predicate == NULL ? SIM_P_TRUE
                              : sim_ddm_predicate(view, predicate);

    for (round = 0; round < 2; round++) {

        if (round == 1) {
            decl->active = truth == SIM_P_TRUE && missing.len == 0;
        }

        for (n = list == 0 ? 0 : j->nodes[list].first; n != 0;
             n = j->nodes[n].next)
        {
            id = sim_json_string(j, n);
            if (id == NULL) {
                continue;
            }

            conf = sim_ddm_by_id(d, SIM_D_CONFIGURATION, id);

            if (conf == NULL) {
                if (round == 0) {
                    sim_buf_str(&missing, missing.len == 0 ? "[" : ",");
                    sim_json_quote(&missing, id);
                }

            } else if (round == 0) {
                named[conf - d->decls] = 1;

            } else if (decl->active) {
                conf->active = 1;
            }
        }
    }

    if (missing.len != 0) {
        sim_buf_str(&missing, "]");
        decl->valid = "invalid";
        sim_ddm_reason(decl, "Error.MissingConfigurations",
                       "it names configurations that are not there",
                       "ConfigurationIdentifiers", missing.data);
    }

    if (truth != SIM_P_TRUE) {
        sim_json_quote(&text, predicate);

        if (truth == SIM_P_FALSE) {
            sim_ddm_reason(decl, "Info.Predicate", "the predicate is false",
                           "Predicate", text.data);

        } else {
            decl->valid = "invalid";
            sim_ddm_reason(decl, truth == SIM_P_SYNTAX
                                 ? "Error.UnableToParsePredicate"
                                 : "Error.UnableToEvaluatePredicate",
                           "the predicate is of no use", "Predicate",
                           text.data);
        }
    }

    sim_buf_free(&missing);
    sim_buf_free(&text);
}


static void
sim_ddm_configuration(sim_ddm_t *d, sim_decl_t *decl, int *named)
{
    sim_buf_t          missing;
    const char        *status;
    const sim_json_t  *j;

    memset(&missing, 0, sizeof(sim_buf_t));
    j = &decl->json;

    sim_ddm_assets(d, j, sim_ddm_payload(decl), decl->active, named,
                   &missing);

    if (missing.len != 0) {
        sim_buf_str(&missing, "]");
        decl->active = 0;
        decl->valid = "invalid";
        sim_ddm_reason(decl, "Error.MissingAssets",
                       "it names assets that are not there",
                       "AssetIdentifiers", missing.data);
    }

    status = sim_json_string(j, sim_json_get(j, sim_ddm_payload(decl),
                                             "ReturnStatus"));

    if (status != NULL && strcmp(status, "Failed") == 0
        && strcmp(sim_ddm_type(decl),
                  "com.apple.configuration.management.test")
           == 0)
    {
        decl->active = 0;
        decl->valid = "invalid";
        sim_ddm_reason(decl, "Error.ConfigurationCannotBeApplied",
                       "it asks for a failure", "Error", "\"Failed\"");
    }

    sim_buf_free(&missing);
}


/* keys that end in "AssetReference", at any depth */

static void
sim_ddm_assets(sim_ddm_t *d, const sim_json_t *j, uint32_t node, int active,
    int *named, sim_buf_t *missing)
{
    size_t       len;
    uint32_t     n;
    sim_decl_t  *asset;
    const char  *key, *id;

    if (node == 0) {
        return;
    }

    for (n = j->nodes[node].first; n != 0; n = j->nodes[n].next) {
        sim_ddm_assets(d, j, n, active, named, missing);

        key = j->text.data + j->nodes[n].key;
        len = j->nodes[n].key_len;
        id = sim_json_string(j, n);

        if (id == NULL || len < 14
            || memcmp(key + len - 14, "AssetReference", 14) != 0)
        {
            continue;
        }

        asset = sim_ddm_by_id(d, SIM_D_ASSET, id);

        if (asset == NULL) {
            sim_buf_str(missing, missing->len == 0 ? "[" : ",");
            sim_json_quote(missing, id);
            continue;
        }

        named[asset - d->decls] = 1;
        asset->active |= active;
    }
}


static sim_entry_value_t *
sim_ddm_value(sim_values_t *values, const char *name)
{
    uint32_t            i;
    size_t              len;
    sim_entry_value_t  *e;

    for (i = 0; i < values->n; i++) {
        if (strcmp(values->values[i].name, name) == 0) {
            return NULL;
        }
    }

    values->values = sim_realloc(values->values, (values->n + 1)
                                                 * sizeof(sim_entry_value_t));
    e = &values->values[values->n++];
    memset(e, 0, sizeof(sim_entry_value_t));

    len = strlen(name) + 1;
    e->name = sim_alloc(len);
    memcpy(e->name, name, len);

    return e;
}


/* what active configurations subscribe to, each item once */

static void
sim_ddm_subscriptions(const sim_view_t *view, const sim_ddm_t *d,
    sim_values_t *values)
{
    uint32_t            i, n;
    const char         *name;
    const sim_decl_t   *decl;
    const sim_json_t   *j;
    sim_entry_value_t  *e;

    for (i = 0; i < d->ndecls; i++) {
        decl = &d->decls[i];
        j = &decl->json;

        if (!decl->active
            || strcmp(sim_ddm_type(decl), "com.apple.configuration."
                                          "management.status-subscriptions")
               != 0)
        {
            continue;
        }

        n = sim_json_get(j, sim_ddm_payload(decl), "StatusItems");

        for (n = n == 0 ? 0 : j->nodes[n].first; n != 0;
             n = j->nodes[n].next)
        {
            name = sim_json_string(j, sim_json_get(j, n, "Name"));

            if (name == NULL || strlen(name) > 200
                || strncmp(name, "management.", 11) == 0)
            {
                continue;
            }

            e = sim_ddm_value(values, name);

            if (e != NULL
                && sim_ddm_item(view, name, &e->value) != SIM_OK)
            {
                e->value.len = 0;
            }
        }
    }
}


static void
sim_ddm_declarations(const sim_ddm_t *d, sim_buf_t *out)
{
    unsigned           kind;
    uint32_t           i, n;
    const sim_decl_t  *decl;

    static const char  *names[SIM_D_KINDS] = {
        "activations", "configurations", "assets", "management"
    };

    for (kind = 0; kind < SIM_D_KINDS; kind++) {
        sim_buf_printf(out, "%s\"%s\":[", kind == 0 ? "{" : "],",
                       names[kind]);

        for (i = 0, n = 0; i < d->ndecls; i++) {
            decl = &d->decls[i];

            if (decl->kind != (sim_dkind_e) kind) {
                continue;
            }

            sim_buf_str(out, n++ == 0 ? "{\"identifier\":"
                                      : ",{\"identifier\":");
            sim_json_quote(out, decl->id);
            sim_buf_str(out, ",\"server-token\":");
            sim_json_quote(out, decl->token);
            sim_buf_printf(out, ",\"active\":%s,\"valid\":\"%s\"",
                           decl->active ? "true" : "false", decl->valid);

            if (decl->reasons.len != 0) {
                sim_buf_printf(out, ",\"reasons\":[%s]", decl->reasons.data);
            }

            sim_buf_str(out, "}");
        }
    }

    sim_buf_str(out, "]}");
}


/* 1: its value is another one than was reported, or the first one */

static int
sim_ddm_changed(sim_ddm_t *d, const sim_entry_value_t *e)
{
    size_t       len;
    uint32_t     i;
    uint64_t     hash;
    sim_item_t  *item;

    hash = sim_hash_bytes(1, e->value.data, e->value.len);

    for (i = 0; i < d->nitems; i++) {
        if (strcmp(d->items[i].name, e->name) == 0) {
            break;
        }
    }

    if (i == d->nitems) {
        d->items = sim_realloc(d->items, (d->nitems + 1)
                                         * sizeof(sim_item_t));
        len = strlen(e->name) + 1;
        d->items[i].name = sim_alloc(len);
        memcpy(d->items[i].name, e->name, len);
        d->items[i].hash = ~hash;
        d->nitems++;
    }

    item = &d->items[i];
    item->listed = 1;

    if (item->hash == hash) {
        return 0;
    }

    item->hash = hash;

    return 1;
}


/* items that nobody subscribes to any more */

static void
sim_ddm_unlisted(sim_ddm_t *d)
{
    uint32_t  i, n;

    for (i = 0, n = 0; i < d->nitems; i++) {
        if (d->items[i].listed) {
            d->items[i].listed = 0;
            d->items[n++] = d->items[i];

        } else {
            free(d->items[i].name);
        }
    }

    d->nitems = n;
}


/* by levels: the dot comes before all that is in a name */

static int
sim_ddm_compare(const void *a, const void *b)
{
    const char  *x, *y;

    x = ((const sim_entry_value_t *) a)->name;
    y = ((const sim_entry_value_t *) b)->name;

    while (*x != '\0' && *x == *y) {
        x++;
        y++;
    }

    if (*x == *y) {
        return 0;
    }

    if (*x == '\0' || *y == '\0') {
        return *x == '\0' ? -1 : 1;
    }

    if (*x == '.' || *y == '.') {
        return *x == '.' ? -1 : 1;
    }

    return (unsigned char) *x - (unsigned char) *y;
}


static size_t
sim_ddm_split(const char *name, const char **parts, size_t *lens)
{
    size_t  n;

    for (n = 0; n < SIM_DDM_LEVELS; n++) {
        parts[n] = name;
        lens[n] = strcspn(name, ".");
        name += lens[n];

        if (*name == '\0') {
            return n + 1;
        }

        name++;
    }

    return n;
}


/* "a.b.c" is {"a":{"b":{"c":…}}} */

static void
sim_ddm_nest(const sim_values_t *values, sim_buf_t *out)
{
    size_t       i, n, same, depth;
    size_t       lens[SIM_DDM_LEVELS], last_lens[SIM_DDM_LEVELS];
    uint32_t     k;
    const char  *parts[SIM_DDM_LEVELS], *last[SIM_DDM_LEVELS];

    depth = 0;
    sim_buf_str(out, "{");

    for (k = 0; k < values->n; k++) {

        if (values->values[k].value.len == 0) {
            continue;
        }

        n = sim_ddm_split(values->values[k].name, parts, lens);

        for (same = 0; same < depth && same + 1 < n; same++) {
            if (lens[same] != last_lens[same]
                || memcmp(parts[same], last[same], lens[same]) != 0)
            {
                break;
            }
        }

        for ( /* void */ ; depth > same; depth--) {
            sim_buf_str(out, "}");
        }

        if (out->data[out->len - 1] != '{') {
            sim_buf_str(out, ",");
        }

        for (i = same; i < n; i++) {
            sim_buf_printf(out, "\"%.*s\":%s", (int) lens[i], parts[i],
                           i + 1 < n ? "{" : "");
        }

        sim_buf_add(out, values->values[k].value.data,
                    values->values[k].value.len);

        depth = n - 1;
        memcpy(last, parts, sizeof(parts));
        memcpy(last_lens, lens, sizeof(lens));
    }

    for ( /* void */ ; depth > 0; depth--) {
        sim_buf_str(out, "}");
    }

    sim_buf_str(out, "}");
}


void
sim_ddm_report(const sim_view_t *view, sim_ddm_t *d, int full,
    sim_buf_t *out)
{
    int                 changed;
    uint32_t            i;
    sim_buf_t           errors;
    sim_values_t        values;
    sim_entry_value_t  *e;

    memset(&errors, 0, sizeof(sim_buf_t));
    memset(&values, 0, sizeof(sim_values_t));

    sim_ddm_declarations(d, &sim_ddm_value(&values,
                                           "management.declarations")->value);
    sim_ddm_capabilities(&sim_ddm_value(&values, "management.client-"
                                                 "capabilities")->value);
    sim_ddm_subscriptions(view, d, &values);
    qsort(values.values, values.n, sizeof(sim_entry_value_t),
          sim_ddm_compare);

    for (i = 0; i < values.n; i++) {
        e = &values.values[i];
        changed = sim_ddm_changed(d, e) || full
                  || strcmp(e->name, "management.declarations") == 0;

        if (e->value.len == 0 && changed) {
            sim_buf_printf(&errors, "%s{\"StatusItem\":",
                           errors.len == 0 ? "" : ",");
            sim_json_quote(&errors, e->name);
            sim_buf_str(&errors, ",\"Reasons\":[{\"Code\":"
                        "\"Error.UnknownStatusItem\",\"Description\":"
                        "\"the device does not have it\"}]}");
        }

        if (!changed) {
            e->value.len = 0;
        }
    }

    sim_ddm_unlisted(d);

    sim_buf_str(out, "{\"StatusItems\":");
    sim_ddm_nest(&values, out);
    sim_buf_printf(out, ",\"Errors\":[%s]%s}",
                   errors.len == 0 ? "" : errors.data,
                   full ? ",\"FullReport\":true" : "");

    for (i = 0; i < values.n; i++) {
        free(values.values[i].name);
        sim_buf_free(&values.values[i].value);
    }

    free(values.values);
    sim_buf_free(&errors);
}
