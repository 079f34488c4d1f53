
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Torture: administrators.  A call whose outcome is not known is made again
 * with the same CommandUUID, until it has succeeded for all ids.
 */


#include "mdmsim_torture.h"


#define SIM_PAUSE          (100 * SIM_MSEC)
#define SIM_NOTHING        (5 * SIM_MSEC)

/* one in so many */

#define SIM_SINGLE         12
#define SIM_REPEAT         20
#define SIM_READ_RATE      3


static int sim_api_group(sim_torture_t *t, uint32_t *group);
static int sim_api_room(const sim_torture_t *t, const sim_group_t *g);
static void sim_api_enqueue(sim_torture_t *t, sim_conn_t *c);
static void sim_api_read(sim_torture_t *t, sim_conn_t *c);
static void sim_api_request(sim_torture_t *t, sim_conn_t *c,
    const char *method, const sim_buf_t *path, const sim_buf_t *body);
static void sim_api_enqueued(sim_torture_t *t, sim_conn_t *c);
static void sim_api_queued(sim_torture_t *t, sim_group_t *g,
    const char *body, size_t len);
static void sim_api_was_read(sim_torture_t *t, sim_conn_t *c);
static int sim_api_has(const sim_conn_t *c, const char *text);


void
sim_api_start(sim_torture_t *t, sim_conn_t *c)
{
    sim_actor_t  *a;

    a = c->data;

    if ((t->phase == SIM_READ_PHASE
         || sim_torture_random(t, SIM_READ_RATE) == 0)
        && sim_ledger_check(t, &a->channel, &a->seq) == SIM_OK)
    {
        sim_api_read(t, c);
        return;
    }

    if (sim_api_group(t, &a->group) != SIM_OK) {
        sim_torture_wait(t, c, SIM_NOTHING);
        return;
    }

    sim_api_enqueue(t, c);
}


static int
sim_api_room(const sim_torture_t *t, const sim_group_t *g)
{
    uint32_t  i, depth;

    depth = g->asleep ? 1 : t->opt->depth;

    if (t->phase != SIM_LOAD_PHASE
        || (t->opt->commands != 0 && t->count.commands >= t->opt->commands))
    {
        return 0;
    }

    for (i = g->first; i < g->first + g->n; i++) {
        if (t->channels[i].backlog >= depth) {
            return 0;
        }
    }

    return 1;
}


/* the next group that has something to queue, or to queue again */

static int
sim_api_group(sim_torture_t *t, uint32_t *group)
{
    uint32_t      i, k;
    sim_group_t  *g;

    for (i = 0; i < t->ngroups; i++) {
        k = (t->next_group + i) % t->ngroups;
        g = &t->groups[k];

        if (g->busy || g->wake > t->loop.now
            || (!g->pending && !sim_api_room(t, g)))
        {
            continue;
        }

        if (!g->pending) {
            g->pending = 1;
            g->repeat = 0;
            g->only = SIM_NONE;

            if (sim_torture_random(t, SIM_SINGLE) == 0) {
                g->only = g->first + (uint32_t) sim_torture_random(t, g->n);
            }
        }

        g->busy = 1;
        t->next_group = k + 1;
        *group = k;

        return SIM_OK;
    }

    return SIM_AGAIN;
}


static void
sim_api_enqueue(sim_torture_t *t, sim_conn_t *c)
{
    char            uuid[80];
    uint32_t        i;
    sim_buf_t       path;
    sim_group_t    *g;
    sim_actor_t    *a;
    sim_channel_t  *ch;

    a = c->data;
    a->ask = SIM_ASK_ENQUEUE;
    g = &t->groups[a->group];

    memset(&path, 0, sizeof(sim_buf_t));
    sim_buf_str(&path, "/v1/enqueue/");

    for (i = g->first; i < g->first + g->n; i++) {

        if (g->only != SIM_NONE && g->only != i) {
            continue;
        }

        ch = &t->channels[i];
        sim_ledger_sent(t, ch, g->seq);

        if (path.data[path.len - 1] != '/') {
            sim_buf_str(&path, ",");
        }

        sim_buf_percent(&path, ch->id, strlen(ch->id));
    }

    if (t->opt->wake == NULL) {
        sim_buf_str(&path, "?nopush=1");
    }

    sim_ledger_uuid(t, a->group, g->seq, uuid, sizeof(uuid));

    t->body.len = 0;
    sim_buf_printf(&t->body,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "
        "\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"
        "<plist version=\"1.0\"><dict>"
        "<key>CommandUUID</key><string>%s</string>"
        "<key>Command</key><dict>"
        "<key>RequestType</key><string>DeviceInformation</string>"
        "<key>Queries</key><array><string>OSVersion</string>"
        "<string>Sequence%u</string></array></dict></dict></plist>\n",
        uuid, (unsigned) g->seq);

    sim_api_request(t, c, "PUT", &path, &t->body);
    sim_buf_free(&path);
}


static void
sim_api_read(sim_torture_t *t, sim_conn_t *c)
{
    char            uuid[80];
    sim_buf_t       path;
    sim_actor_t    *a;
    sim_channel_t  *ch;

    a = c->data;
    a->ask = SIM_ASK_READ;
    t->reading++;
    ch = &t->channels[a->channel];

    memset(&path, 0, sizeof(sim_buf_t));
    sim_ledger_uuid(t, ch->group, a->seq, uuid, sizeof(uuid));
    sim_buf_str(&path, "/v1/queue/");
    sim_buf_percent(&path, ch->id, strlen(ch->id));
    sim_buf_printf(&path, "/%s?format=plist", uuid);

    sim_api_request(t, c, "GET", &path, NULL);
    sim_buf_free(&path);
}


static void
sim_api_request(sim_torture_t *t, sim_conn_t *c, const char *method,
    const sim_buf_t *path, const sim_buf_t *body)
{
    size_t        n;
    sim_actor_t  *a;

    a = c->data;
    n = strlen(t->api.path);

    while (n > 0 && t->api.path[n - 1] == '/') {
        n--;
    }

    a->request.len = 0;
    sim_buf_printf(&a->request, "%s %.*s%s HTTP/1.1\r\nHost: %s\r\n", method,
                   (int) n, t->api.path, path->data, t->api.host);

    if (body != NULL) {
        sim_buf_printf(&a->request, "Content-Length: %zu\r\n\r\n",
                       body->len);
        sim_buf_add(&a->request, body->data, body->len);

    } else {
        sim_buf_str(&a->request, "\r\n");
    }

    sim_torture_send(t, c, t->opt->fleet.first, &t->api);
}


void
sim_api_response(sim_torture_t *t, sim_conn_t *c)
{
    sim_actor_t  *a;

    a = c->data;

    if (a->ask == SIM_ASK_READ) {
        sim_api_was_read(t, c);

    } else {
        sim_api_enqueued(t, c);
    }
}


static int
sim_api_has(const sim_conn_t *c, const char *text)
{
    return memmem(c->in.data + c->http.body, c->http.body_len, text,
                  strlen(text))
           != NULL;
}


static void
sim_api_enqueued(sim_torture_t *t, sim_conn_t *c)
{
    sim_actor_t  *a;
    sim_group_t  *g;

    a = c->data;
    g = &t->groups[a->group];

    if (c->http.status == 200 || c->http.status == 207) {
        t->count.calls++;
        t->last_call = t->loop.now;
        sim_api_queued(t, g, c->in.data + c->http.body, c->http.body_len);
    }

    /* that some are not pushed to yet is not wrong */

    if (c->http.status != 200
        && !(c->http.status == 207 && t->opt->wake != NULL
             && !sim_api_has(c, "\"command_error\"")))
    {

        /* all that may be wrong with an id is that Redis was away */

        if ((c->http.status != 207 && c->http.status != 500
             && c->http.status != 503)
            || sim_api_has(c, "not enrolled") || sim_api_has(c, "is full")
            || sim_api_has(c, "already used") || sim_api_has(c, "internal"))
        {
            t->count.wrong++;
            sim_torture_note(t, "enqueue: HTTP status %d: %.*s",
                             c->http.status,
                             c->http.body_len > 300 ? 300
                                                  : (int) c->http.body_len,
                             c->in.data + c->http.body);
        }

        sim_api_failed(t, c);
        return;
    }

    g->busy = 0;
    a->group = SIM_NONE;

    if (!g->repeat && sim_torture_random(t, SIM_REPEAT) == 0) {

        /* as if its answer had been lost */

        g->repeat = 1;
        t->count.repeated++;

    } else {
        g->pending = 0;
        g->seq++;
    }

    sim_torture_wait(t, c, 0);
}


/* an id that the answer does not name has it, and one that was pushed to */

static void
sim_api_queued(sim_torture_t *t, sim_group_t *g, const char *body,
    size_t len)
{
    char            text[160];
    uint32_t        i;
    const char     *named, *end;
    sim_channel_t  *ch;

    for (i = g->first; i < g->first + g->n; i++) {

        if (g->only != SIM_NONE && g->only != i) {
            continue;
        }

        ch = &t->channels[i];
        snprintf(text, sizeof(text), "\"%s\":", ch->id);

        named = memmem(body, len, text, strlen(text));
        end = named == NULL ? NULL
              : memchr(named, '}', len - (size_t) (named - body));

        if (named == NULL
            || (end != NULL
                && memmem(named, (size_t) (end - named), "\"command_error\"",
                          strlen("\"command_error\"")) == NULL))
        {
            sim_ledger_queued(t, ch, g->seq);
        }
    }
}


static void
sim_api_was_read(sim_torture_t *t, sim_conn_t *c)
{
    char            uuid[80], token[80];
    sim_actor_t    *a;
    sim_channel_t  *ch;

    a = c->data;
    ch = &t->channels[a->channel];

    if (c->http.status == 503) {
        sim_api_failed(t, c);
        return;
    }

    t->reading--;

    sim_ledger_uuid(t, ch->group, a->seq, uuid, sizeof(uuid));
    sim_ledger_token(t, ch, a->seq, token, sizeof(token));

    if (c->http.status == 404) {
        t->count.lost_results++;
        sim_torture_note(t, "%s: lost: the result of %s", ch->id, uuid);

    } else if (c->http.status != 200 || !sim_api_has(c, token)
               || !sim_api_has(c, uuid))
    {
        t->count.wrong++;
        sim_torture_note(t, "%s: not its result of %s: HTTP status %d",
                         ch->id, uuid, c->http.status);

    } else {
        t->count.reads++;
        ch->entries[a->seq] |= SIM_READ;
    }

    sim_torture_wait(t, c, 0);
}


void
sim_api_failed(sim_torture_t *t, sim_conn_t *c)
{
    sim_actor_t  *a;
    sim_group_t  *g;

    a = c->data;

    if (a->ask == SIM_ASK_READ) {
        t->reading--;
        sim_ledger_check_add(t, a->channel, a->seq);

    } else {
        g = &t->groups[a->group];
        g->busy = 0;
        g->wake = t->loop.now + SIM_PAUSE / 4
                  + sim_torture_random(t, SIM_PAUSE);
        a->group = SIM_NONE;
    }

    sim_torture_wait(t, c, sim_torture_random(t, SIM_PAUSE / 2));
}
