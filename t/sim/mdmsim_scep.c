
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A fleet that gets its certificates by SCEP, before it does anything else:
 * a thread for each connection, a device at a time.
 */


#include "mdmsim_ca.h"
#include "mdmsim_scep.h"
#include "mdmsim_signal.h"
#include "mdmsim_thread.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include <openssl/provider.h>


#define SIM_SCEP_THREADS   512
#define SIM_SCEP_NOTES     10
#define SIM_SCEP_PROGRESS  (2 * SIM_SEC)
#define SIM_SCEP_AGAIN     (100 * SIM_MSEC)


typedef struct {
    const sim_option_t       *opt;
    sim_scep_stat_t          *stat;
    sim_target_t              target;
    SSL_CTX                  *ctx;
    OSSL_LIB_CTX             *lib;
    OSSL_PROVIDER            *providers[2];
    sim_rsa_t                *rsa;
    sim_buf_t                 challenges;
    const char              **challenge;   /* a device */
    uint32_t                 *generation;  /* a device, of its next key */
    sim_scep_t               *ready;       /* a device, or NULL */
    atomic_uint               next;
    uint64_t                  begin;
    uint64_t                  last;        /* progress */
    uint32_t                  notes;
    pthread_mutex_t           lock;        /* of what is counted */
} sim_scep_fleet_t;


static void sim_scep_prepare(sim_scep_fleet_t *f);
static void sim_scep_legacy(sim_scep_fleet_t *f);
static void sim_scep_challenges(sim_scep_fleet_t *f);
static void sim_scep_want(sim_scep_fleet_t *f);
static uint32_t sim_scep_generation(const sim_scep_fleet_t *f,
    uint32_t number);
static int sim_scep_next(sim_scep_fleet_t *f, uint32_t *i);
static void sim_scep_work(void *data);
static void sim_scep_sends(void *data);
static void sim_scep_due(const sim_scep_fleet_t *f, uint32_t i);
static void sim_scep_ahead(void *data);
static void sim_scep_load(sim_scep_fleet_t *f, sim_scep_t *s, uint32_t i);
static void sim_scep_one(sim_scep_fleet_t *f, sim_fetch_t *fetch, uint32_t i);
static EVP_PKEY *sim_scep_key(sim_scep_fleet_t *f, uint32_t i,
    const sim_stored_t *present);
static int sim_scep_again(const sim_scep_t *s);
static void sim_scep_count(sim_scep_fleet_t *f, const sim_scep_t *s,
    uint64_t start);
static void sim_scep_note(sim_scep_fleet_t *f, const sim_scep_t *s,
    const char *text);


void
sim_scep(const sim_option_t *opt, sim_scep_stat_t *stat)
{
    uint32_t           n;
    uint64_t           start;
    sim_scep_fleet_t  *f;

    f = sim_alloc(sizeof(sim_scep_fleet_t));
    f->opt = opt;
    f->stat = stat;

    n = opt->connections;
    if (n > opt->fleet.count) {
        n = opt->fleet.count;
    }
    if (n > SIM_SCEP_THREADS) {
        n = SIM_SCEP_THREADS;
    }

    start = sim_now();
    sim_scep_prepare(f);

    if (opt->scep.prepare && !sim_stopped()) {
        f->ready = sim_alloc(opt->fleet.count * sizeof(sim_scep_t));
        sim_threads(n, sim_scep_ahead, f);
        atomic_store(&f->next, 0);
    }

    f->begin = sim_now();
    f->last = f->begin;
    stat->keys = f->begin - start;

    if (f->ready != NULL && !sim_stopped()) {
        sim_threads(n, sim_scep_sends, f);
        stat->elapsed = sim_now() - f->begin;
        atomic_store(&f->next, 0);
    }

    if (!sim_stopped()) {
        sim_threads(n, sim_scep_work, f);
    }

    if (stat->elapsed == 0) {
        stat->elapsed = sim_now() - f->begin;
    }

    SSL_CTX_free(f->ctx);
    sim_rsa_free(f->rsa);

    if (f->lib != NULL) {
        OSSL_PROVIDER_unload(f->providers[0]);
        OSSL_PROVIDER_unload(f->providers[1]);
        OSSL_LIB_CTX_free(f->lib);
    }

    OPENSSL_cleanse(f->challenges.data, f->challenges.len);
    sim_buf_free(&f->challenges);
    pthread_mutex_destroy(&f->lock);
    free(f->challenge);
    free(f->generation);
    free(f->ready);
    free(f);
}


static void
sim_scep_prepare(sim_scep_fleet_t *f)
{
    const sim_option_t  *opt;

    opt = f->opt;

    pthread_mutex_init(&f->lock, NULL);
    sim_target_parse(opt, opt->scep.url, &f->target);
    f->ctx = sim_fetch_ctx(opt, &f->target);
    f->rsa = sim_rsa_create(opt->fleet.seed, opt->scep.bits);
    f->challenge = sim_alloc(opt->fleet.count * sizeof(char *));
    f->generation = sim_alloc(opt->fleet.count * sizeof(uint32_t));

    sim_scep_legacy(f);
    sim_scep_challenges(f);
    sim_scep_want(f);
    sim_rsa_make(f->rsa, opt->quiet);
}


/* single DES is in a provider that only this library context has */

static void
sim_scep_legacy(sim_scep_fleet_t *f)
{
    const sim_scep_option_t  *o;

    o = &f->opt->scep;

    if (o->cipher == NULL ? !o->legacy : strcmp(o->cipher, "des") != 0) {
        return;
    }

    f->lib = OSSL_LIB_CTX_new();
    if (f->lib == NULL) {
        sim_ssl_die("no library context");
    }

    f->providers[0] = OSSL_PROVIDER_load(f->lib, "default");
    f->providers[1] = OSSL_PROVIDER_load(f->lib, "legacy");

    if (f->providers[0] == NULL || f->providers[1] == NULL) {
        sim_ssl_die("OpenSSL's legacy provider, which has DES, is not"
                    " installed");
    }
}


/* one for all, or a line for each device */

static void
sim_scep_challenges(sim_scep_fleet_t *f)
{
    char                *p, *end;
    size_t               n;
    uint32_t             i;
    const sim_option_t  *opt;

    opt = f->opt;

    for (i = 0; i < opt->fleet.count; i++) {
        f->challenge[i] = opt->scep.challenges != NULL
                          ? opt->scep.challenges[i] : opt->scep.challenge;
    }

    if (opt->scep.challenge_file == NULL) {
        return;
    }

    sim_read_file(opt->scep.challenge_file, &f->challenges);
    p = f->challenges.data;
    end = p + f->challenges.len;

    for (i = 0; i < opt->fleet.count; i++) {
        n = strcspn(p, "\r\n");

        if (n == 0 || n > 255) {
            sim_die("line %u of \"%s\" is no challenge", (unsigned) i + 1,
                    opt->scep.challenge_file);
        }

        f->challenge[i] = p;
        p += n;

        if (p < end && *p == '\r') {
            *p++ = '\0';
        }

        if (p < end) {
            *p++ = '\0';
        }
    }
}


/* which keys will be needed */

static void
sim_scep_want(sim_scep_fleet_t *f)
{
    uint32_t             i, of;
    const sim_option_t  *opt;

    opt = f->opt;

    for (i = 0; i < opt->fleet.count; i++) {
        f->generation[i] = sim_scep_generation(f, opt->fleet.first + i);

        if (opt->scep.key_of == 0 && !opt->scep.same_key
            && !(opt->scep.keep && f->generation[i] != 0))
        {
            sim_rsa_want(f->rsa, f->generation[i], opt->fleet.first + i);
        }
    }

    /* the first key of a device that does not exist yet */

    of = opt->scep.key_of;

    if (of != 0 && sim_scep_generation(f, of - 1) == 0) {
        sim_rsa_want(f->rsa, 0, of - 1);
    }
}


/* of the next key: 0, or one more than that of the key that is there */

static uint32_t
sim_scep_generation(const sim_scep_fleet_t *f, uint32_t number)
{
    uint32_t      n;
    sim_stored_t  s;

    if (sim_store_get(f->opt->identities, f->opt->fleet.seed, number, 0, &s)
        != SIM_OK)
    {
        return 0;
    }

    n = s.generation + 1;
    sim_store_release(&s);

    return n;
}


/* the next device that nobody has begun with; 0: there is none */

static int
sim_scep_next(sim_scep_fleet_t *f, uint32_t *i)
{
    if (sim_stopped()) {
        return 0;
    }

    *i = atomic_fetch_add(&f->next, 1);

    return *i < f->opt->fleet.count;
}


static void
sim_scep_work(void *data)
{
    uint32_t           i;
    sim_fetch_t        fetch;
    sim_scep_fleet_t  *f;

    f = data;
    sim_fetch_init(&fetch, f->opt, &f->target, f->ctx);

    while (sim_scep_next(f, &i)) {

        if (f->opt->scep.keep && f->generation[i] != 0) {
            pthread_mutex_lock(&f->lock);
            f->stat->kept++;
            pthread_mutex_unlock(&f->lock);
            continue;
        }

        if (f->ready == NULL) {
            sim_scep_due(f, i);
        }

        sim_scep_one(f, &fetch, i);

        /* the next device is another client */

        sim_fetch_close(&fetch);
    }

    sim_fetch_free(&fetch);
}


/* all that is done while the clock runs, if the rest is done before, behind */

static void
sim_scep_sends(void *data)
{
    uint32_t           i;
    sim_scep_t        *s;
    sim_fetch_t        fetch;
    sim_scep_fleet_t  *f;

    f = data;
    sim_fetch_init(&fetch, f->opt, &f->target, f->ctx);

    while (sim_scep_next(f, &i)) {
        s = &f->ready[i];

        if (s->message.len == 0) {
            continue;
        }

        sim_scep_due(f, i);
        s->fetch = fetch;
        sim_scep_send(s);
        fetch = s->fetch;
        sim_fetch_close(&fetch);
    }

    sim_fetch_free(&fetch);
}


/* with --rate */

static void
sim_scep_due(const sim_scep_fleet_t *f, uint32_t i)
{
    uint64_t         now, due;
    struct timespec  ts;

    if (f->opt->rate <= 0) {
        return;
    }

    due = f->begin + (uint64_t) (i / f->opt->rate * 1e9);

    for (now = sim_now(); now < due && !sim_stopped(); now = sim_now()) {
        ts.tv_sec = 0;
        ts.tv_nsec = (long) (due - now < SIM_SCEP_AGAIN ? due - now
                                                        : SIM_SCEP_AGAIN);
        (void) nanosleep(&ts, NULL);
    }
}


/* all that can be done before the clock is started */

static void
sim_scep_ahead(void *data)
{
    uint32_t           i;
    sim_scep_t        *s;
    sim_fetch_t        fetch;
    sim_scep_fleet_t  *f;

    f = data;
    sim_fetch_init(&fetch, f->opt, &f->target, f->ctx);

    while (sim_scep_next(f, &i)) {

        if (f->opt->scep.keep && f->generation[i] != 0) {
            continue;
        }

        s = &f->ready[i];
        sim_scep_load(f, s, i);
        s->fetch = fetch;
        (void) sim_scep_ready(s);
        fetch = s->fetch;
    }

    sim_fetch_free(&fetch);
}


static void
sim_scep_load(sim_scep_fleet_t *f, sim_scep_t *s, uint32_t i)
{
    uint32_t             number;
    const sim_option_t  *opt;

    opt = f->opt;
    number = opt->fleet.first + i;

    memset(s, 0, sizeof(sim_scep_t));
    s->opt = opt;
    s->lib = f->lib;
    s->challenge = f->challenge[i];
    sim_device(&opt->fleet, number, &s->device);

    if (opt->cmd == SIM_CMD_RENEW
        && sim_store_get(opt->identities, opt->fleet.seed, number, 0,
                         &s->present)
           != SIM_OK)
    {
        sim_die("device %u has no certificate in \"%s\"", (unsigned) number,
                opt->identities);
    }

    s->key = sim_scep_key(f, i, &s->present);
}


/* the key and its transaction stay the same when it is tried again */

static void
sim_scep_one(sim_scep_fleet_t *f, sim_fetch_t *fetch, uint32_t i)
{
    uint32_t             tries;
    uint64_t             start;
    sim_scep_t           local, *s;
    sim_stored_t         got;
    struct timespec      ts;
    const sim_option_t  *opt;

    opt = f->opt;
    start = sim_now();

    if (f->ready != NULL) {
        s = &f->ready[i];

    } else {
        s = &local;
        sim_scep_load(f, s, i);
    }

    s->fetch = *fetch;

    for (tries = 0; /* void */ ; tries++) {
        sim_scep_device(s);

        if (tries == opt->retries || !sim_scep_again(s) || sim_stopped()) {
            break;
        }

        s->retries++;
        sim_scep_clean(s);
        s->key = sim_scep_key(f, i, &s->present);

        ts.tv_sec = 0;
        ts.tv_nsec = (long) SIM_SCEP_AGAIN;
        (void) nanosleep(&ts, NULL);
    }

    if (s->end == SIM_SCEP_ISSUED) {
        got.cert = s->issued;
        got.key = s->key;
        got.generation = opt->scep.same_key ? s->present.generation
                                            : f->generation[i];
        sim_store_put(opt->identities, opt->fleet.seed,
                      opt->fleet.first + i, &got);
    }

    sim_scep_count(f, s, start);
    sim_scep_clean(s);
    sim_store_release(&s->present);
    *fetch = s->fetch;
}


static EVP_PKEY *
sim_scep_key(sim_scep_fleet_t *f, uint32_t i, const sim_stored_t *present)
{
    EVP_PKEY            *key;
    sim_stored_t         other;
    const sim_option_t  *opt;

    opt = f->opt;

    if (opt->scep.same_key) {
        key = EVP_PKEY_up_ref(present->key) == 1 ? present->key : NULL;

    } else if (opt->scep.key_of == 0) {
        key = sim_rsa_get(f->rsa, f->generation[i], opt->fleet.first + i);

    } else if (sim_store_get(opt->identities, opt->fleet.seed,
                             opt->scep.key_of - 1, 0, &other)
               == SIM_OK)
    {
        key = other.key;
        X509_free(other.cert);

    } else {
        key = sim_rsa_get(f->rsa, 0, opt->scep.key_of - 1);
    }

    if (key == NULL) {
        sim_die("no key of device %u", (unsigned) (opt->fleet.first + i));
    }

    return key;
}


/* what another attempt may change */

static int
sim_scep_again(const sim_scep_t *s)
{
    return s->end == SIM_SCEP_NETWORK || s->end == SIM_SCEP_STATUS;
}


static void
sim_scep_count(sim_scep_fleet_t *f, const sim_scep_t *s, uint64_t start)
{
    uint64_t          now;
    sim_scep_stat_t  *st;

    now = sim_now();
    st = f->stat;

    pthread_mutex_lock(&f->lock);

    st->pending += s->pending;
    st->retries += s->retries;
    st->warnings += s->warnings;

    if (s->warnings != 0) {
        sim_scep_note(f, s, s->warning);
    }

    if (s->end != SIM_SCEP_ISSUED) {
        st->failed++;
        sim_scep_note(f, s, s->why);
    }

    switch (s->end) {

    case SIM_SCEP_ISSUED:
        st->issued++;
        sim_hist_add(&st->latency,
                     (s->latency != 0 ? s->latency : now - start) / 1000);
        break;

    case SIM_SCEP_PENDING:
        break;

    case SIM_SCEP_REFUSED:
        st->refused[s->fail_info]++;
        break;

    case SIM_SCEP_NETWORK:
        st->network++;
        break;

    case SIM_SCEP_STATUS:
        st->status++;
        break;

    case SIM_SCEP_SERVER:
        st->server++;
        break;

    case SIM_SCEP_WRONG:
        st->wrong++;
        break;
    }

    if (!f->opt->quiet && now - f->last >= SIM_SCEP_PROGRESS) {
        fprintf(stderr, "mdmsim: %.0f s, %llu certificates, %llu failures\n",
                (double) (now - f->begin) / 1e9,
                (unsigned long long) st->issued,
                (unsigned long long) st->failed);
        f->last = now;
    }

    pthread_mutex_unlock(&f->lock);
}


static void
sim_scep_note(sim_scep_fleet_t *f, const sim_scep_t *s, const char *text)
{
    if (f->notes == SIM_SCEP_NOTES) {
        return;
    }

    fprintf(stderr, "mdmsim: device %u (%s): SCEP: %s\n",
            (unsigned) s->device.number, s->device.id, text);

    if (++f->notes == SIM_SCEP_NOTES) {
        fprintf(stderr, "mdmsim: further errors are only counted\n");
    }
}
