
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Declarative management: the steps of a sync.  It is due after a command
 * DeclarativeManagement, and stays due until it is done: tokens (unless the
 * command had them), declaration-items, each new or changed declaration,
 * status.
 */


#include "mdmsim_ddm.h"

#include <stdlib.h>


#define SIM_DDM_MAX_TOKEN  256


static sim_ddm_t *sim_ddm_get(sim_run_t *run, const sim_visit_t *v);
static void sim_ddm_set(char **s, const char *value);
static void sim_ddm_want(sim_ddm_t *d, const char *data, size_t len);
static void sim_ddm_view(const sim_run_t *run, const sim_visit_t *v,
    const sim_ddm_t *d, sim_view_t *view);
static int sim_ddm_wrong(sim_run_t *run, const sim_visit_t *v,
    const char *what);
static int sim_ddm_tokens(sim_run_t *run, sim_visit_t *v, sim_ddm_t *d,
    const sim_json_t *j);
static int sim_ddm_items(sim_run_t *run, sim_visit_t *v, sim_ddm_t *d,
    const sim_json_t *j);
static int sim_ddm_declaration(sim_run_t *run, sim_conn_t *c,
    sim_visit_t *v, sim_ddm_t *d, const sim_json_t *j);
static int sim_ddm_same(sim_run_t *run, sim_visit_t *v, sim_ddm_t *d);
static int sim_ddm_fetch(sim_run_t *run, sim_ddm_t *d);
static void sim_ddm_apply(sim_run_t *run, sim_ddm_t *d);
static sim_decl_t *sim_ddm_find(sim_decl_t *decls, uint32_t n,
    const sim_decl_t *like);
static void sim_ddm_clear(sim_ddm_t *d);


const char  *sim_ddm_kinds[SIM_D_KINDS] = {
    "activation", "configuration", "asset", "management"
};

const char  *sim_ddm_arrays[SIM_D_KINDS] = {
    "Activations", "Configurations", "Assets", "Management"
};


uint32_t
sim_ddm_index(const sim_run_t *run, uint32_t device, uint32_t channel)
{
    return (device - run->opt->fleet.first) * (run->opt->fleet.users + 1)
           + channel;
}


static sim_ddm_t *
sim_ddm_get(sim_run_t *run, const sim_visit_t *v)
{
    return run->ddm[sim_ddm_index(run, v->device.number, v->channel)];
}


static void
sim_ddm_set(char **s, const char *value)
{
    size_t  len;

    free(*s);
    *s = NULL;

    if (value != NULL) {
        len = strlen(value) + 1;
        *s = sim_alloc(len);
        memcpy(*s, value, len);
    }
}


/* the token of a TokensResponse that came with the command, if it is one */

static void
sim_ddm_want(sim_ddm_t *d, const char *data, size_t len)
{
    uint32_t    n;
    sim_json_t  j;

    memset(&j, 0, sizeof(sim_json_t));
    sim_ddm_set(&d->wanted_token, NULL);

    if (sim_json_parse(&j, data, len) == SIM_OK) {
        n = sim_json_get(&j, j.root, "SyncTokens");
        sim_ddm_set(&d->wanted_token,
                    sim_json_string(&j, sim_json_get(&j, n,
                                                  "DeclarationsToken")));
    }

    sim_json_free(&j);
}


void
sim_ddm_command(sim_run_t *run, sim_visit_t *v)
{
    sim_ddm_t  **d;

    d = &run->ddm[sim_ddm_index(run, v->device.number, v->channel)];

    if (*d == NULL) {
        *d = sim_alloc(sizeof(sim_ddm_t));
        run->stat.ddm.channels++;
    }

    run->stat.ddm.commands++;
    (*d)->wanted = 1;
    sim_ddm_want(*d, v->command.data.data, v->command.data.len);
}


int
sim_ddm_next(sim_run_t *run, sim_visit_t *v)
{
    sim_ddm_t  *d;

    if (run->ddm == NULL) {
        return SIM_OK;
    }

    d = sim_ddm_get(run, v);

    if (d == NULL || !d->wanted) {
        return SIM_OK;
    }

    /* one that broke off begins anew */

    sim_ddm_decls_free(&d->next, &d->nnext);

    if (d->wanted_token == NULL) {
        d->step = SIM_DDM_TOKENS;

    } else if (d->token != NULL && strcmp(d->token, d->wanted_token) == 0) {
        return sim_ddm_same(run, v, d);

    } else {
        d->step = SIM_DDM_ITEMS;
    }

    /* it may be old when this breaks off */

    sim_ddm_set(&d->wanted_token, NULL);
    v->step = SIM_STEP_DDM;

    return SIM_AGAIN;
}


static void
sim_ddm_view(const sim_run_t *run, const sim_visit_t *v, const sim_ddm_t *d,
    sim_view_t *view)
{
    view->fleet = &run->opt->fleet;
    view->device = &v->device;
    view->user = v->channel;
    view->ddm = d;
}


void
sim_ddm_request(sim_run_t *run, sim_visit_t *v)
{
    sim_buf_t    endpoint, data;
    sim_ddm_t   *d;
    sim_view_t   view;

    memset(&endpoint, 0, sizeof(sim_buf_t));
    memset(&data, 0, sizeof(sim_buf_t));
    d = sim_ddm_get(run, v);

    switch (d->step) {

    case SIM_DDM_TOKENS:
        sim_buf_str(&endpoint, "tokens");
        break;

    case SIM_DDM_ITEMS:
        sim_buf_str(&endpoint, "declaration-items");
        break;

    case SIM_DDM_DECLARATION:
        sim_buf_printf(&endpoint, "declaration/%s/%s",
                       sim_ddm_kinds[d->next[d->fetch].kind],
                       d->next[d->fetch].id);
        break;

    case SIM_DDM_STATUS:
        sim_buf_str(&endpoint, "status");
        sim_ddm_view(run, v, d, &view);
        sim_ddm_evaluate(&view, d);
        d->full = !d->reported;
        sim_ddm_report(&view, d, d->full, &data);

        /* until it is known that this one was taken */

        d->reported = 0;
        break;
    }

    sim_message_ddm(&run->plist, &run->opt->fleet, &v->device, v->speaker,
                    endpoint.data, data.len == 0 ? NULL : &data);

    sim_buf_free(&endpoint);
    sim_buf_free(&data);
}


static int
sim_ddm_wrong(sim_run_t *run, const sim_visit_t *v, const char *what)
{
    run->stat.errors[SIM_E_PROTOCOL]++;
    sim_note(run, v, "%s", what);

    return SIM_ERROR;
}


int
sim_ddm_response(sim_run_t *run, sim_conn_t *c, sim_visit_t *v)
{
    int          rc, status;
    sim_ddm_t   *d;
    sim_json_t   j;
    const char  *body;

    d = sim_ddm_get(run, v);
    status = c->http.status;
    body = c->in.data + c->http.body;

    if (d->step == SIM_DDM_STATUS) {

        if (status < 200 || status > 299) {
            sim_note(run, v, "HTTP status %d of a report", status);
            return SIM_ERROR;
        }

        if (status != 200 || c->http.body_len != 0) {
            return sim_ddm_wrong(run, v, "a report wants an empty answer of"
                                 " status 200");
        }

        run->stat.ddm.reports++;
        run->stat.ddm.full += (uint64_t) d->full;
        d->reported = 1;
        d->due = 0;
        d->wanted = 0;

        return SIM_OK;
    }

    if (status == 404 && d->step == SIM_DDM_DECLARATION) {
        run->stat.ddm.missing++;
        sim_note(run, v, "404 for %s %s, which is listed in %s",
                 sim_ddm_kinds[d->next[d->fetch].kind],
                 d->next[d->fetch].id, d->next_token);
        d->fetch++;

        return sim_ddm_fetch(run, d);
    }

    if (status != 200) {
        sim_note(run, v, "HTTP status %d", status);
        return SIM_ERROR;
    }

    memset(&j, 0, sizeof(sim_json_t));
    rc = sim_json_parse(&j, body, c->http.body_len);

    if (rc != SIM_OK) {
        run->stat.errors[SIM_E_PROTOCOL]++;
        sim_note(run, v, "the answer is not JSON: %.*s",
                 c->http.body_len > 300 ? 300 : (int) c->http.body_len,
                 body);

    } else if (d->step == SIM_DDM_TOKENS) {
        rc = sim_ddm_tokens(run, v, d, &j);

    } else if (d->step == SIM_DDM_ITEMS) {
        rc = sim_ddm_items(run, v, d, &j);

    } else {
        rc = sim_ddm_declaration(run, c, v, d, &j);
    }

    sim_json_free(&j);

    return rc;
}


static int
sim_ddm_tokens(sim_run_t *run, sim_visit_t *v, sim_ddm_t *d,
    const sim_json_t *j)
{
    uint32_t     n;
    const char  *token, *timestamp;

    n = sim_json_get(j, j->root, "SyncTokens");
    token = sim_json_string(j, sim_json_get(j, n, "DeclarationsToken"));
    timestamp = sim_json_string(j, sim_json_get(j, n, "Timestamp"));

    if (token == NULL || *token == '\0' || strlen(token) > SIM_DDM_MAX_TOKEN
        || timestamp == NULL || strlen(timestamp) != 20
        || timestamp[10] != 'T' || timestamp[19] != 'Z')
    {
        return sim_ddm_wrong(run, v, "the answer has no tokens");
    }

    if (strcmp(timestamp, d->timestamp) < 0) {
        run->stat.ddm.backwards++;
        sim_note(run, v, "Timestamp %s after %s", timestamp, d->timestamp);
    }

    memcpy(d->timestamp, timestamp, 21);

    if (d->token != NULL && strcmp(token, d->token) == 0) {
        return sim_ddm_same(run, v, d);
    }

    d->step = SIM_DDM_ITEMS;

    return SIM_AGAIN;
}


/* nothing to fetch; a report that was not taken is made again */

static int
sim_ddm_same(sim_run_t *run, sim_visit_t *v, sim_ddm_t *d)
{
    run->stat.ddm.unchanged++;

    if (d->due) {
        d->step = SIM_DDM_STATUS;
        v->step = SIM_STEP_DDM;
        return SIM_AGAIN;
    }

    d->wanted = 0;

    return SIM_OK;
}


int
sim_ddm_manifest(const sim_json_t *j, uint32_t declarations,
    sim_decl_t **decls, uint32_t *n)
{
    unsigned     kind;
    uint32_t     array, i;
    const char  *id, *token;

    for (kind = 0; kind < SIM_D_KINDS; kind++) {
        array = sim_json_get(j, declarations, sim_ddm_arrays[kind]);

        if (array == 0 || j->nodes[array].type != SIM_J_ARRAY) {
            return SIM_ERROR;
        }

        for (i = j->nodes[array].first; i != 0; i = j->nodes[i].next) {
            id = sim_json_string(j, sim_json_get(j, i, "Identifier"));
            token = sim_json_string(j, sim_json_get(j, i, "ServerToken"));

            if (id == NULL || token == NULL || *id == '\0' || *token == '\0'
                || strlen(id) > 1024 || strlen(token) > SIM_DDM_MAX_TOKEN)
            {
                return SIM_ERROR;
            }

            *decls = sim_realloc(*decls, (*n + 1) * sizeof(sim_decl_t));
            memset(&(*decls)[*n], 0, sizeof(sim_decl_t));
            (*decls)[*n].kind = (sim_dkind_e) kind;
            sim_ddm_set(&(*decls)[*n].id, id);
            sim_ddm_set(&(*decls)[*n].token, token);
            (*n)++;
        }
    }

    return SIM_OK;
}


static int
sim_ddm_items(sim_run_t *run, sim_visit_t *v, sim_ddm_t *d,
    const sim_json_t *j)
{
    uint32_t     i;
    const char  *token;

    token = sim_json_string(j, sim_json_get(j, j->root,
                                            "DeclarationsToken"));

    sim_ddm_decls_free(&d->next, &d->nnext);

    if (token == NULL || *token == '\0' || strlen(token) > SIM_DDM_MAX_TOKEN
        || sim_ddm_manifest(j, sim_json_get(j, j->root, "Declarations"),
                            &d->next, &d->nnext)
           != SIM_OK)
    {
        return sim_ddm_wrong(run, v, "the answer is no manifest");
    }

    for (i = 0; i < d->nnext; i++) {
        if (sim_ddm_find(d->next, i, &d->next[i]) != NULL) {
            return sim_ddm_wrong(run, v, "the manifest names one twice");
        }
    }

    run->stat.ddm.manifests++;
    sim_ddm_set(&d->next_token, token);
    d->fetch = 0;

    return sim_ddm_fetch(run, d);
}


/* on to the next declaration that is new or changed */

static int
sim_ddm_fetch(sim_run_t *run, sim_ddm_t *d)
{
    sim_decl_t  *old, *new;

    for ( /* void */ ; d->fetch < d->nnext; d->fetch++) {
        new = &d->next[d->fetch];
        old = sim_ddm_find(d->decls, d->ndecls, new);

        if (old == NULL || old->body.len == 0
            || strcmp(old->token, new->token) != 0)
        {
            d->step = SIM_DDM_DECLARATION;
            return SIM_AGAIN;
        }

        new->body.len = 0;
        sim_buf_add(&new->body, old->body.data, old->body.len);
    }

    sim_ddm_apply(run, d);
    d->due = 1;
    d->step = SIM_DDM_STATUS;

    return SIM_AGAIN;
}


static int
sim_ddm_declaration(sim_run_t *run, sim_conn_t *c, sim_visit_t *v,
    sim_ddm_t *d, const sim_json_t *j)
{
    char         prefix[40];
    uint32_t     payload;
    sim_decl_t  *want;
    const char  *id, *token, *type;

    want = &d->next[d->fetch];
    id = sim_json_string(j, sim_json_get(j, j->root, "Identifier"));
    token = sim_json_string(j, sim_json_get(j, j->root, "ServerToken"));
    type = sim_json_string(j, sim_json_get(j, j->root, "Type"));
    payload = sim_json_get(j, j->root, "Payload");

    if (id == NULL || token == NULL || type == NULL || payload == 0
        || j->nodes[payload].type != SIM_J_OBJECT)
    {
        return sim_ddm_wrong(run, v, "the answer is no declaration");
    }

    snprintf(prefix, sizeof(prefix), "com.apple.%s.",
             sim_ddm_kinds[want->kind]);

    if (strcmp(id, want->id) != 0 || strcmp(token, want->token) != 0
        || strncmp(type, prefix, strlen(prefix)) != 0)
    {
        run->stat.ddm.mismatched++;
        sim_note(run, v, "%s %s of %s came as %s %s of %s",
                 sim_ddm_kinds[want->kind], want->id, want->token, type, id,
                 token);
    }

    sim_buf_add(&want->body, c->in.data + c->http.body, c->http.body_len);
    run->stat.ddm.fetched++;
    d->fetch++;

    return sim_ddm_fetch(run, d);
}


/* what is not listed any more is gone, and what was not there is not kept */

static void
sim_ddm_apply(sim_run_t *run, sim_ddm_t *d)
{
    uint32_t     i, n;
    sim_decl_t  *decl;

    for (i = 0; i < d->ndecls; i++) {
        decl = sim_ddm_find(d->next, d->nnext, &d->decls[i]);

        if (decl == NULL || decl->body.len == 0) {
            run->stat.ddm.removed++;
        }
    }

    sim_ddm_decls_free(&d->decls, &d->ndecls);

    for (i = 0, n = 0; i < d->nnext; i++) {
        if (d->next[i].body.len != 0) {
            d->next[n++] = d->next[i];

        } else {
            free(d->next[i].id);
            free(d->next[i].token);
            sim_buf_free(&d->next[i].body);
        }
    }

    d->decls = d->next;
    d->ndecls = n;
    d->next = NULL;
    d->nnext = 0;
    sim_ddm_set(&d->token, d->next_token);
}


static sim_decl_t *
sim_ddm_find(sim_decl_t *decls, uint32_t n, const sim_decl_t *like)
{
    uint32_t  i;

    for (i = 0; i < n; i++) {
        if (decls[i].kind == like->kind && strcmp(decls[i].id, like->id) == 0)
        {
            return &decls[i];
        }
    }

    return NULL;
}


void
sim_ddm_decls_free(sim_decl_t **decls, uint32_t *n)
{
    uint32_t  i;

    for (i = 0; i < *n; i++) {
        free((*decls)[i].id);
        free((*decls)[i].token);
        sim_buf_free(&(*decls)[i].body);
        sim_buf_free(&(*decls)[i].reasons);
        sim_json_free(&(*decls)[i].json);
    }

    free(*decls);
    *decls = NULL;
    *n = 0;
}


static void
sim_ddm_clear(sim_ddm_t *d)
{
    uint32_t  i;

    for (i = 0; i < d->nitems; i++) {
        free(d->items[i].name);
    }

    sim_ddm_decls_free(&d->decls, &d->ndecls);
    sim_ddm_decls_free(&d->next, &d->nnext);
    free(d->items);
    free(d->token);
    free(d->wanted_token);
    free(d->next_token);
    free(d);
}


void
sim_ddm_forget(sim_run_t *run, uint32_t device)
{
    uint32_t     i;
    sim_ddm_t  **d;

    if (run->ddm == NULL) {
        return;
    }

    for (i = 0; i <= run->opt->fleet.users; i++) {
        d = &run->ddm[sim_ddm_index(run, device, i)];

        if (*d != NULL) {
            sim_ddm_clear(*d);
            *d = NULL;
            run->stat.ddm.channels--;
        }
    }
}


void
sim_ddm_free(sim_run_t *run)
{
    uint32_t  i;

    for (i = 0; i < run->opt->fleet.count; i++) {
        sim_ddm_forget(run, run->opt->fleet.first + i);
    }

    free(run->ddm);
}
