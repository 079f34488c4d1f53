
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * At the end of "ddm --check": asks the API for the manifest of each channel
 * and compares it with what the channel has.
 */


#include "mdmsim_ddm.h"
#include "mdmsim_signal.h"

#include <stdlib.h>


#define SIM_CHECK_CONNECTIONS  8
#define SIM_CHECK_RETRIES      3


typedef struct {
    sim_run_t                *run;
    sim_loop_t                loop;
    sim_target_t              api;
    uint32_t                  device;      /* the next one */
    uint32_t                  channel;
    uint32_t                  busy;
    uint32_t                  notes;
} sim_check_t;


/* what a connection asks for */

typedef struct {
    uint32_t                  device;
    uint32_t                  channel;
    uint32_t                  tries;
    char                      id[128];
    sim_buf_t                 request;
} sim_ask_t;


static int sim_check_next(sim_check_t *ck, sim_ask_t *ask);
static void sim_check_start(sim_check_t *ck, sim_conn_t *c);
static void sim_check_ask(sim_check_t *ck, sim_conn_t *c);
static void sim_check_ready(sim_loop_t *loop, sim_conn_t *c);
static void sim_check_response(sim_loop_t *loop, sim_conn_t *c);
static void sim_check_failed(sim_loop_t *loop, sim_conn_t *c,
    sim_error_e e);
static void sim_check_gone(sim_loop_t *loop, sim_conn_t *c);
static void sim_check_wrong(sim_check_t *ck, const sim_ask_t *ask,
    const char *what, const char *have, const char *want);
static void sim_check_compare(sim_check_t *ck, const sim_ask_t *ask,
    const char *data, size_t len);
static const sim_decl_t *sim_check_find(const sim_ddm_t *d,
    const sim_decl_t *like);


void
sim_ddm_check(sim_run_t *run)
{
    uint32_t      i;
    sim_ask_t    *asks;
    sim_check_t  *ck;

    ck = sim_alloc(sizeof(sim_check_t));
    asks = sim_alloc(SIM_CHECK_CONNECTIONS * sizeof(sim_ask_t));

    ck->run = run;
    ck->device = run->opt->fleet.first;
    sim_target_parse(run->opt, run->opt->api_url, &ck->api);

    if (ck->api.tls && run->ca == NULL) {
        run->ca = sim_ca_load(run->opt);
    }

    sim_loop_init(&ck->loop, run->opt, SIM_CHECK_CONNECTIONS);
    ck->loop.ca = ck->api.tls ? run->ca : NULL;
    ck->loop.stat = &run->stat;
    ck->loop.ready = sim_check_ready;
    ck->loop.response = sim_check_response;
    ck->loop.failed = sim_check_failed;
    ck->loop.gone = sim_check_gone;
    ck->loop.data = ck;

    for (i = 0; i < SIM_CHECK_CONNECTIONS; i++) {
        ck->loop.conns[i].data = &asks[i];
        sim_check_start(ck, &ck->loop.conns[i]);
    }

    while (ck->busy != 0 && !sim_stopped()) {
        sim_loop_turn(&ck->loop, SIM_SEC / 5);
    }

    for (i = 0; i < SIM_CHECK_CONNECTIONS; i++) {
        sim_buf_free(&asks[i].request);
    }

    sim_loop_free(&ck->loop);
    free(asks);
    free(ck);
}


/* the next channel; SIM_ERROR: there is none */

static int
sim_check_next(sim_check_t *ck, sim_ask_t *ask)
{
    sim_user_t           u;
    sim_device_t         d;
    const sim_option_t  *opt;

    opt = ck->run->opt;

    for ( ;; ) {
        if (ck->device - opt->fleet.first >= opt->fleet.count) {
            return SIM_ERROR;
        }

        ask->device = ck->device;
        ask->channel = ck->channel++;

        if (ask->channel > sim_device_users(&opt->fleet, ask->device)) {
            ck->device++;
            ck->channel = 0;
            continue;
        }

        if (opt->channels & (ask->channel == 0 ? SIM_CHANNEL_DEVICE
                                               : SIM_CHANNEL_USER))
        {
            break;
        }
    }

    ask->tries = 0;
    sim_device(&opt->fleet, ask->device, &d);

    if (ask->channel == 0) {
        snprintf(ask->id, sizeof(ask->id), "%s", d.id);

    } else {
        sim_device_user(&opt->fleet, &d, ask->channel, &u);
        snprintf(ask->id, sizeof(ask->id), "%s", u.enrollment);
    }

    return SIM_OK;
}


static void
sim_check_start(sim_check_t *ck, sim_conn_t *c)
{
    if (sim_check_next(ck, c->data) != SIM_OK) {
        return;
    }

    ck->busy++;
    sim_check_ask(ck, c);
}


static void
sim_check_ask(sim_check_t *ck, sim_conn_t *c)
{
    size_t      n;
    sim_ask_t  *ask;

    ask = c->data;
    n = strlen(ck->api.path);

    while (n > 0 && ck->api.path[n - 1] == '/') {
        n--;
    }

    ask->request.len = 0;
    sim_buf_printf(&ask->request, "GET %.*s/v1/enrollment-declarations/",
                   (int) n, ck->api.path);
    sim_buf_percent(&ask->request, ask->id, strlen(ask->id));
    sim_buf_printf(&ask->request, " HTTP/1.1\r\nHost: %s\r\n\r\n",
                   ck->api.host);

    if (c->state == SIM_CLOSED) {
        sim_conn_open(&ck->loop, c, &ck->api, ck->run->opt->fleet.first);

    } else {
        sim_conn_send(&ck->loop, c, ask->request.data, ask->request.len);
    }
}


static void
sim_check_ready(sim_loop_t *loop, sim_conn_t *c)
{
    sim_ask_t  *ask;

    ask = c->data;
    sim_conn_send(loop, c, ask->request.data, ask->request.len);
}


static void
sim_check_response(sim_loop_t *loop, sim_conn_t *c)
{
    sim_ask_t    *ask;
    sim_check_t  *ck;

    ck = loop->data;
    ask = c->data;

    if (c->http.close) {
        sim_conn_close(loop, c);
    }

    if (c->http.status == 503 && ask->tries++ < SIM_CHECK_RETRIES) {
        sim_check_ask(ck, c);
        return;
    }

    ck->run->stat.ddm.checked++;

    if (c->http.status != 200) {
        sim_check_wrong(ck, ask, "the API does not answer 200", NULL, NULL);

    } else {
        sim_check_compare(ck, ask, c->in.data + c->http.body,
                          c->http.body_len);
    }

    ck->busy--;
    sim_check_start(ck, c);
}


static void
sim_check_failed(sim_loop_t *loop, sim_conn_t *c, sim_error_e e)
{
    sim_check_t  *ck;

    ck = loop->data;

    ck->run->stat.errors[e]++;
    ck->run->stat.ddm.checked++;
    sim_check_wrong(ck, c->data, "the API does not answer", NULL, NULL);
    ck->busy--;
    sim_check_start(ck, c);
}


static void
sim_check_gone(sim_loop_t *loop, sim_conn_t *c)
{
    (void) loop;
    (void) c;
}


static void
sim_check_wrong(sim_check_t *ck, const sim_ask_t *ask, const char *what,
    const char *have, const char *want)
{
    ck->run->stat.ddm.inconsistent++;

    if (++ck->notes > 20) {
        return;
    }

    fprintf(stderr, "mdmsim: %s: %s", ask->id, what);

    if (have != NULL || want != NULL) {
        fprintf(stderr, ": has %s, the server has %s",
                have == NULL ? "none" : have, want == NULL ? "none" : want);
    }

    fputc('\n', stderr);
}


static const sim_decl_t *
sim_check_find(const sim_ddm_t *d, const sim_decl_t *like)
{
    uint32_t  i;

    for (i = 0; d != NULL && i < d->ndecls; i++) {
        if (d->decls[i].kind == like->kind
            && strcmp(d->decls[i].id, like->id) == 0)
        {
            return &d->decls[i];
        }
    }

    return NULL;
}


/* a channel that was never told of DDM must have nothing to know */

static void
sim_check_compare(sim_check_t *ck, const sim_ask_t *ask, const char *data,
    size_t len)
{
    uint32_t           i, n;
    sim_ddm_t         *d;
    sim_json_t         j;
    sim_decl_t        *decls;
    const char        *token;
    const sim_decl_t  *own;

    memset(&j, 0, sizeof(sim_json_t));
    decls = NULL;
    n = 0;
    d = ck->run->ddm[sim_ddm_index(ck->run, ask->device, ask->channel)];
    token = NULL;

    if (sim_json_parse(&j, data, len) == SIM_OK) {
        token = sim_json_string(&j, sim_json_get(&j, j.root,
                                                 "DeclarationsToken"));
    }

    if (token == NULL
        || sim_ddm_manifest(&j, sim_json_get(&j, j.root, "Declarations"),
                            &decls, &n)
           != SIM_OK)
    {
        sim_check_wrong(ck, ask, "the API's answer is no manifest", NULL,
                        NULL);
        goto done;
    }

    if (d == NULL || d->token == NULL) {

        if (n != 0) {
            sim_check_wrong(ck, ask, "nothing was synced", NULL, token);
        }

        goto done;
    }

    if (strcmp(d->token, token) != 0) {
        sim_check_wrong(ck, ask, "DeclarationsToken", d->token, token);
        goto done;
    }

    for (i = 0; i < n; i++) {
        own = sim_check_find(d, &decls[i]);

        if (own == NULL || strcmp(own->token, decls[i].token) != 0) {
            sim_check_wrong(ck, ask, decls[i].id,
                            own == NULL ? NULL : own->token, decls[i].token);
            goto done;
        }
    }

    if (d->ndecls != n) {
        sim_check_wrong(ck, ask, "has what is not listed", NULL, NULL);
    }

done:

    sim_ddm_decls_free(&decls, &n);
    sim_json_free(&j);
}
