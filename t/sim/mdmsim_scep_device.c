
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * One device gets one certificate: GetCACaps, GetCACert, PKIOperation, and
 * again while that is PENDING.
 */


#include "mdmsim_scep.h"
#include "mdmsim_signal.h"

#include <stdarg.h>
#include <time.h>


#define SIM_SCEP_TRIES  4                     /* a request without answer */
#define SIM_SCEP_PAUSE  SIM_SEC
#define SIM_SCEP_TICK   (100 * SIM_MSEC)


static int sim_scep_pause(uint64_t ns);
static int sim_scep_ask(sim_scep_t *s, const char *query,
    const sim_buf_t *body);
static int sim_scep_get(sim_scep_t *s, const char *operation);
static int sim_scep_server(sim_scep_t *s);
static int sim_scep_operation(sim_scep_t *s);
static int sim_scep_post(sim_scep_t *s);
static void sim_scep_query(const sim_buf_t *message, sim_buf_t *out);


int
sim_scep_fail(sim_scep_t *s, sim_scep_e end, const char *fmt, ...)
{
    char     *p;
    va_list   args;

    s->end = end;

    va_start(args, fmt);
    vsnprintf(s->why, sizeof(s->why), fmt, args);
    va_end(args);

    /* some of it came from the server */

    for (p = s->why; *p != '\0'; p++) {
        if ((unsigned char) *p < ' ' || *p == 0x7f) {
            *p = '?';
        }
    }

    return SIM_ERROR;
}


void
sim_scep_warn(sim_scep_t *s, const char *fmt, ...)
{
    va_list  args;

    s->warnings++;

    va_start(args, fmt);
    vsnprintf(s->warning, sizeof(s->warning), fmt, args);
    va_end(args);
}


/* in small parts, as it may be interrupted */

static int
sim_scep_pause(uint64_t ns)
{
    uint64_t         end, now;
    struct timespec  ts;

    end = sim_now() + ns;

    for (now = sim_now(); now < end && !sim_stopped(); now = sim_now()) {
        ts.tv_sec = 0;
        ts.tv_nsec = (long) (end - now < SIM_SCEP_TICK ? end - now
                                                       : SIM_SCEP_TICK);
        (void) nanosleep(&ts, NULL);
    }

    return sim_stopped() ? SIM_ERROR : SIM_OK;
}


/* a request that gets no answer is sent three times more */

static int
sim_scep_ask(sim_scep_t *s, const char *query, const sim_buf_t *body)
{
    unsigned  i;

    for (i = 1; sim_fetch(&s->fetch, query, "application/x-pki-message",
                          body)
                != SIM_OK; i++)
    {
        if (i == SIM_SCEP_TRIES || sim_scep_pause(SIM_SCEP_PAUSE) != SIM_OK) {
            return sim_scep_fail(s, SIM_SCEP_NETWORK, "%s", s->fetch.why);
        }

        s->retries++;
    }

    if (s->fetch.http.status != 200) {
        return sim_scep_fail(s, SIM_SCEP_STATUS, "HTTP status %d",
                             s->fetch.http.status);
    }

    return SIM_OK;
}


static int
sim_scep_get(sim_scep_t *s, const char *operation)
{
    int          rc;
    sim_buf_t    query;
    const char  *name;

    name = s->opt->scep.name;
    memset(&query, 0, sizeof(sim_buf_t));
    sim_buf_printf(&query, "operation=%s", operation);

    if (name != NULL) {
        sim_buf_str(&query, "&message=");
        sim_buf_percent(&query, name, strlen(name));
    }

    rc = sim_scep_ask(s, query.data, NULL);
    sim_buf_free(&query);

    return rc;
}


static int
sim_scep_server(sim_scep_t *s)
{
    sim_fetch_t  *f;

    f = &s->fetch;

    if (sim_scep_get(s, "GetCACaps") != SIM_OK
        || sim_scep_caps(s, f->in.data + f->http.body, f->http.body_len)
           != SIM_OK
        || sim_scep_get(s, "GetCACert") != SIM_OK)
    {
        return SIM_ERROR;
    }

    return sim_scep_certs(s, f->type, f->in.data + f->http.body,
                          f->http.body_len);
}


/* base64 as macOS has it in a URL: only the "=" are percent-encoded */

static void
sim_scep_query(const sim_buf_t *message, sim_buf_t *out)
{
    size_t     n;
    sim_buf_t  text;

    memset(&text, 0, sizeof(sim_buf_t));
    sim_buf_base64(&text, message->data, message->len);

    for (n = text.len; n > 0 && text.data[n - 1] == '='; n--) {
        /* void */
    }

    out->len = 0;
    sim_buf_str(out, "operation=PKIOperation&message=");
    sim_buf_add(out, text.data, n);

    for ( /* void */ ; n < text.len; n++) {
        sim_buf_str(out, "%3D");
    }

    sim_buf_free(&text);
}


static int
sim_scep_operation(sim_scep_t *s)
{
    sim_fetch_t  *f;

    f = &s->fetch;

    if (sim_scep_post(s) != SIM_OK) {
        return SIM_ERROR;
    }

    return sim_scep_reply(s, f->in.data + f->http.body, f->http.body_len);
}


static int
sim_scep_post(sim_scep_t *s)
{
    int           rc;
    sim_buf_t     query;
    sim_fetch_t  *f;

    f = &s->fetch;

    if (s->server.post) {
        rc = sim_scep_ask(s, "operation=PKIOperation", &s->message);

    } else {
        memset(&query, 0, sizeof(sim_buf_t));
        sim_scep_query(&s->message, &query);
        rc = sim_scep_ask(s, query.data, NULL);
        sim_buf_free(&query);
    }

    if (rc != SIM_OK) {
        return rc;
    }

    if (strcmp(f->type, "application/x-pki-message") != 0) {
        return sim_scep_fail(s, SIM_SCEP_WRONG,
                             "the reply has the content type \"%s\"",
                             f->type);
    }

    return SIM_OK;
}


int
sim_scep_ready(sim_scep_t *s)
{
    int  type;

    if (sim_scep_server(s) != SIM_OK) {
        return SIM_ERROR;
    }

    type = s->opt->scep.renewal ? SIM_SCEP_RENEWAL : SIM_SCEP_REQUEST;

    if (s->opt->scep.fault == SIM_FAULT_POLL) {
        type = SIM_SCEP_POLL;
    }

    sim_scep_begin(s);
    sim_scep_request(s, type);

    return SIM_OK;
}


void
sim_scep_send(sim_scep_t *s)
{
    uint64_t      start;
    sim_fetch_t  *f;

    f = &s->fetch;
    start = sim_now();
    s->sent = 1;

    if (sim_scep_post(s) == SIM_OK) {
        s->latency = sim_now() - start;
        s->answer.len = 0;
        sim_buf_add(&s->answer, f->in.data + f->http.body, f->http.body_len);

        if (s->answer.len == 0) {
            (void) sim_scep_fail(s, SIM_SCEP_WRONG, "the reply is empty");
        }
    }
}


void
sim_scep_device(sim_scep_t *s)
{
    int       rc;
    uint32_t  i;

    if (s->message.len == 0 && sim_scep_ready(s) != SIM_OK) {
        return;
    }

    if (!s->sent) {
        rc = sim_scep_operation(s);

    } else if (s->answer.len != 0) {
        rc = sim_scep_reply(s, s->answer.data, s->answer.len);

    } else {
        return;
    }

    for (i = 0; rc == SIM_AGAIN; i++) {

        if (i == s->opt->scep.retries
            || sim_scep_pause(s->opt->scep.delay) != SIM_OK)
        {
            (void) sim_scep_fail(s, SIM_SCEP_PENDING,
                                 "still PENDING after %u retries",
                                 (unsigned) i);
            return;
        }

        sim_scep_request(s, SIM_SCEP_POLL);
        rc = sim_scep_operation(s);
    }

    if (rc == SIM_OK) {
        s->end = SIM_SCEP_ISSUED;
    }
}


void
sim_scep_clean(sim_scep_t *s)
{
    sk_X509_pop_free(s->server.certs, X509_free);
    X509_NAME_free(s->subject);
    X509_free(s->signer);
    EVP_PKEY_free(s->signer_key);
    X509_free(s->issued);
    EVP_PKEY_free(s->key);
    sim_buf_free(&s->message);
    sim_buf_free(&s->answer);

    memset(&s->server, 0, sizeof(sim_scep_server_t));
    s->subject = NULL;
    s->signer = NULL;
    s->signer_key = NULL;
    s->issued = NULL;
    s->key = NULL;
    s->sent = 0;
    s->latency = 0;
}
