
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The figures of bench.
 */


#include "mdmsim_bench.h"

#include <stdlib.h>


static int sim_compare(const void *a, const void *b);
static double sim_quantile(double *v, uint32_t n, double q);
static void sim_bench_ratio(sim_bench_t *b, uint32_t url);
static void sim_outn(const char *name, uint32_t n, const char *suffix,
    double value, int digits, const char *unit);


static int
sim_compare(const void *a, const void *b)
{
    double  x, y;

    x = *(const double *) a;
    y = *(const double *) b;

    return (x > y) - (x < y);
}


static double
sim_quantile(double *v, uint32_t n, double q)
{
    if (n == 0) {
        return 0;
    }

    qsort(v, n, sizeof(double), sim_compare);

    return v[(uint32_t) (q * (n - 1) + 0.5)];
}


static void
sim_outn(const char *name, uint32_t n, const char *suffix, double value,
    int digits, const char *unit)
{
    char  text[64];

    snprintf(text, sizeof(text), "%s_%u%s", name, (unsigned) n, suffix);
    sim_out(text, value, digits, unit);
}


void
sim_bench_report(sim_bench_t *b, double seconds)
{
    double      n;
    uint32_t    i;
    sim_url_t  *u;

    sim_out_begin(b->opt->json);

    sim_out("elapsed", seconds, 3, "s");
    sim_out("connections", b->opt->connections, 0, "count");
    sim_out("devices", b->opt->fleet.count, 0, "count");
    sim_out("slice", (double) b->opt->slice / 1e9, 3, "s");

    for (i = 0; i < b->opt->nurls; i++) {
        u = &b->urls[i];
        n = u->units == 0 ? 1 : (double) u->units;

        sim_outn("slices", i, "", (double) u->slices, 0, "count");
        sim_outn("requests", i, "", (double) u->requests, 0, "count");
        sim_outn("requests_per_second", i, "",
                 (double) u->requests / (u->wall / 1e9), 0, "1/s");

        if (b->opt->session) {
            sim_outn("sessions", i, "", (double) u->units, 0, "count");
            sim_outn("puts_per_session", i, "", (double) u->requests / n, 2,
                     "count");

            if (i != 0) {
                sim_outn("sessions", i, "_with_another_command",
                         (double) u->more, 0, "count");
            }

        } else {
            sim_outn("commands", i, "", (double) u->commands, 0, "count");
        }

        if (u->worker != -1) {
            sim_outn("worker_cpu", i, "", u->worker_cpu / 1e3 / n, 2, "us");
            sim_outn("worker_utilization", i, "",
                     u->worker_cpu / u->wall * 100, 1, "percent");
        }

        if (b->redis != -1) {
            sim_outn("redis_cpu", i, "", u->redis_cpu / 1e3 / n, 2, "us");
            sim_outn("redis_utilization", i, "",
                     u->redis_cpu / u->wall * 100, 1, "percent");
        }

        sim_outn("client_cpu", i, "", u->client_cpu / 1e3 / n, 2, "us");
        sim_outn("client_utilization", i, "", u->client_cpu / u->wall * 100,
                 1, "percent");
        sim_outn("latency_p50", i, "", (double) sim_hist_get(&u->latency, 50),
                 0, "us");
        sim_outn("latency_p99", i, "", (double) sim_hist_get(&u->latency, 99),
                 0, "us");
        sim_outn("latency_max", i, "", (double) u->latency.max, 0, "us");
    }

    for (i = 1; i < b->opt->nurls; i++) {
        sim_bench_ratio(b, i);
    }

    if (b->opt->inventory_size != 0 && b->sample.len != 0) {
        sim_inventory_report(&b->sample);
    }

    sim_out("handshakes", (double) b->stat.handshakes, 0, "count");
    sim_out("handshakes_resumed", (double) b->stat.resumed, 0, "count");
    sim_out("reconnects", (double) b->stat.reconnects, 0, "count");
    sim_out("errors", (double) sim_stat_errors(&b->stat), 0, "count");

    sim_out_end();
}


/* the quotient of the sums, and how that of neighbouring slices spreads */

static void
sim_bench_ratio(sim_bench_t *b, uint32_t url)
{
    double     *ratios;
    uint32_t    i, n;
    sim_url_t  *base, *u;

    base = &b->urls[0];
    u = &b->urls[url];

    if (base->worker == -1 || base->units == 0 || u->units == 0
        || base->worker_cpu <= 0)
    {
        return;
    }

    sim_outn("ratio", url, "",
             u->worker_cpu / (double) u->units
             / (base->worker_cpu / (double) base->units), 3, "x");

    n = u->ncosts < base->ncosts ? u->ncosts : base->ncosts;
    ratios = sim_alloc(n * sizeof(double));

    for (i = 0; i < n; i++) {
        ratios[i] = base->costs[i] > 0 ? u->costs[i] / base->costs[i] : 0;
    }

    sim_outn("ratio", url, "_p25", sim_quantile(ratios, n, 0.25), 3, "x");
    sim_outn("ratio", url, "_median", sim_quantile(ratios, n, 0.5), 3, "x");
    sim_outn("ratio", url, "_p75", sim_quantile(ratios, n, 0.75), 3, "x");

    free(ratios);
}
