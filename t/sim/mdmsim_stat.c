
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Counters, the latency histogram and the report.
 */


#include "mdmsim_stat.h"

#include <math.h>
#include <time.h>


static void sim_out_count(const char *name, uint64_t n);
static void sim_out_latency(const char *name, const sim_hist_t *h);
static void sim_stat_ddm(const sim_ddm_stat_t *st, int check);
static void sim_stat_scep(const sim_scep_stat_t *st);


static const char  *sim_error_names[] = {
    "connect", "tls", "timeout", "closed", "protocol"
};

static int  sim_out_json;
static int  sim_out_first;


/*
 * Up to 127 exact, then 128 slots for every power of two, so that a value
 * read back is at most 1/128 too high.
 */

void
sim_hist_add(sim_hist_t *h, uint64_t us)
{
    unsigned  e, i;

    if (us < (1 << SIM_HIST_SUB)) {
        i = (unsigned) us;

    } else {
        e = 63 - (unsigned) __builtin_clzll(us);
        i = ((e - SIM_HIST_SUB + 1) << SIM_HIST_SUB)
            + (unsigned) ((us >> (e - SIM_HIST_SUB))
                          & ((1 << SIM_HIST_SUB) - 1));
    }

    h->slot[i]++;
    h->count++;

    if (us > h->max) {
        h->max = us;
    }
}


uint64_t
sim_hist_get(const sim_hist_t *h, double percent)
{
    double    rank;
    unsigned  i, e;
    uint64_t  want, sum, us;

    if (h->count == 0) {
        return 0;
    }

    /* the rank, rounded up */

    rank = (double) h->count * percent / 100.0;
    want = (uint64_t) rank;
    if ((double) want < rank || want == 0) {
        want++;
    }

    sum = 0;

    for (i = 0; i < SIM_HIST_SIZE; i++) {
        sum += h->slot[i];
        if (sum >= want) {
            break;
        }
    }

    if (i < (1 << SIM_HIST_SUB)) {
        us = i;

    } else {
        /* the highest value of the slot */
        e = (i >> SIM_HIST_SUB) - 1;
        us = ((uint64_t) ((i & ((1 << SIM_HIST_SUB) - 1))
                          + (1 << SIM_HIST_SUB) + 1) << e) - 1;
    }

    return us < h->max ? us : h->max;
}


const char *
sim_error_name(sim_error_e e)
{
    return e < SIM_E_MAX ? sim_error_names[e] : "aborted";
}


uint64_t
sim_stat_errors(const sim_stat_t *st)
{
    unsigned  i;
    uint64_t  n;

    n = 0;

    for (i = 0; i < SIM_E_MAX; i++) {
        n += st->errors[i];
    }

    for (i = 0; i < 1000; i++) {
        if (i < 200 || i > 299) {
            n += st->status[i];
        }
    }

    return n + st->scep.failed;
}


double
sim_cpu_self(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);

    return (double) ts.tv_sec * 1e9 + (double) ts.tv_nsec;
}


void
sim_out_begin(int json)
{
    sim_out_json = json;
    sim_out_first = 1;

    if (json) {
        printf("{");
    }
}


void
sim_out(const char *name, double value, int digits, const char *unit)
{
    if (!isfinite(value)) {
        value = 0;
    }

    if (sim_out_json) {
        printf("%s\n  \"%s\": {\"value\": %.*f, \"unit\": \"%s\"}",
               sim_out_first ? "" : ",", name, digits, value, unit);

    } else {
        printf("%s %.*f %s\n", name, digits, value, unit);
    }

    sim_out_first = 0;
}


void
sim_out_end(void)
{
    if (sim_out_json) {
        printf("\n}\n");
    }

    fflush(stdout);
}


static void
sim_out_count(const char *name, uint64_t n)
{
    sim_out(name, (double) n, 0, "count");
}


static void
sim_out_latency(const char *name, const sim_hist_t *h)
{
    char      text[64];
    unsigned  i;

    static const struct {
        const char  *name;
        double       percent;
    } points[] = {
        { "p50", 50 }, { "p90", 90 }, { "p99", 99 }, { "p99.9", 99.9 }
    };

    for (i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
        snprintf(text, sizeof(text), "%s_%s", name, points[i].name);
        sim_out(text, (double) sim_hist_get(h, points[i].percent), 0, "us");
    }

    snprintf(text, sizeof(text), "%s_max", name);
    sim_out(text, (double) h->max, 0, "us");
}


static void
sim_stat_ddm(const sim_ddm_stat_t *st, int check)
{
    sim_out_count("ddm_channels", st->channels);
    sim_out_count("ddm_commands", st->commands);
    sim_out_count("ddm_unchanged", st->unchanged);
    sim_out_count("ddm_manifests", st->manifests);
    sim_out_count("ddm_fetched", st->fetched);
    sim_out_count("ddm_removed", st->removed);
    sim_out_count("ddm_missing", st->missing);
    sim_out_count("ddm_mismatched", st->mismatched);
    sim_out_count("ddm_backwards", st->backwards);
    sim_out_count("ddm_reports", st->reports);
    sim_out_count("ddm_reports_full", st->full);

    if (check) {
        sim_out_count("ddm_checked", st->checked);
        sim_out_count("ddm_inconsistent", st->inconsistent);
    }
}


static void
sim_stat_scep(const sim_scep_stat_t *st)
{
    char      name[64];
    double    seconds;
    unsigned  i;

    static const char  *infos[SIM_SCEP_FAIL_INFOS] = {
        "badAlg", "badMessageCheck", "badRequest", "badTime", "badCertId"
    };

    seconds = (double) st->elapsed / 1e9;

    sim_out_count("scep_issued", st->issued);
    sim_out_count("scep_kept", st->kept);
    sim_out_count("scep_failed", st->failed);

    for (i = 0; i < SIM_SCEP_FAIL_INFOS; i++) {
        snprintf(name, sizeof(name), "scep_%s", infos[i]);
        sim_out_count(name, st->refused[i]);
    }

    sim_out_count("scep_no_answer", st->network);
    sim_out_count("scep_bad_status", st->status);
    sim_out_count("scep_bad_server", st->server);
    sim_out_count("scep_bad_reply", st->wrong);
    sim_out_count("scep_pending", st->pending);
    sim_out_count("scep_retries", st->retries);
    sim_out_count("scep_warnings", st->warnings);
    sim_out("scep_keys_elapsed", (double) st->keys / 1e9, 3, "s");
    sim_out("scep_elapsed", seconds, 3, "s");
    sim_out("scep_per_second",
            seconds > 0 ? (double) st->issued / seconds : 0, 1, "1/s");
    sim_out_latency("scep", &st->latency);
}


void
sim_stat_report(const sim_stat_t *st, const sim_option_t *opt,
    uint64_t elapsed, int interrupted)
{
    char      name[64];
    double    seconds;
    unsigned  i;

    static const char  *answers[] = {
        "acknowledged", "error", "format_error", "notnow"
    };

    seconds = (double) elapsed / 1e9;
    if (seconds <= 0) {
        seconds = 1e-9;
    }

    sim_out_begin(opt->json);

    sim_out("elapsed", seconds, 3, "s");
    sim_out_count("interrupted", (uint64_t) interrupted);
    sim_out_count("devices", opt->fleet.count);
    sim_out_count("connections", opt->connections);
    sim_out_count("requests", st->requests);
    sim_out("requests_per_second", (double) st->responses / seconds, 1,
            "1/s");
    sim_out_count("responses", st->responses);

    for (i = 0; i < 1000; i++) {
        if (st->status[i] != 0) {
            snprintf(name, sizeof(name), "status_%u", i);
            sim_out_count(name, st->status[i]);
        }
    }

    sim_out_count("errors", sim_stat_errors(st));

    for (i = 0; i < SIM_E_MAX; i++) {
        snprintf(name, sizeof(name), "errors_%s", sim_error_names[i]);
        sim_out_count(name, st->errors[i]);
    }

    sim_out_count("visits", st->visits);
    sim_out_count("visits_failed", st->failed);
    sim_out_count("visits_retried", st->retries);
    sim_out_count("visits_skipped", st->skipped);
    sim_out_count("aborted", st->aborted);
    sim_out_count("reconnects", st->reconnects);
    sim_out_count("enrolled", st->enrolled);
    sim_out_count("commands", st->commands);

    for (i = 0; i < SIM_ANSWERS; i++) {
        snprintf(name, sizeof(name), "commands_%s", answers[i]);
        sim_out_count(name, st->answers[i]);
    }

    sim_out_count("results_resent", st->resent);

    if (opt->wake != NULL) {
        sim_out_count("pushes", st->pushes);
        sim_out_count("pushes_wrong", st->wrong_pushes);
    }

    if (opt->ddm) {
        sim_stat_ddm(&st->ddm, opt->check);
    }

    if (opt->scep.url != NULL) {
        sim_stat_scep(&st->scep);
    }

    if (st->released != 0) {
        sim_out_count("released", st->released);
        sim_out_count("release_answers", st->release.count);
        sim_out_latency("release", &st->release);
    }

    sim_out_latency("latency", &st->latency);
    sim_out_count("connections_opened", st->connections);
    sim_out_count("handshakes", st->handshakes);
    sim_out_count("handshakes_resumed", st->resumed);
    sim_out_latency("handshake", &st->handshake);
    sim_out("bytes_sent", (double) st->bytes_out, 0, "bytes");
    sim_out("bytes_received", (double) st->bytes_in, 0, "bytes");
    sim_out("client_cpu", sim_cpu_self() / 1e7 / seconds, 1, "percent");

    sim_out_end();
}
