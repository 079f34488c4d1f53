
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A fleet that opens its links.
 */


#include "mdmsim_way.h"

#include <stdlib.h>


#define SIM_WAY_TYPE  "application/x-apple-aspen-config"


static void sim_way_links(const sim_option_t *opt, sim_buf_t *text,
    const char **links);
static void sim_way_one(const sim_option_t *opt, const sim_device_t *d,
    const char *link, sim_profile_t *p);
static void sim_way_link(const sim_option_t *opt, const char *who,
    const char *link, sim_profile_t *p);
static void sim_way_take(sim_option_t *opt, uint32_t i,
    const sim_profile_t *p);
static void sim_way_same(const char *what, const char *a, const char *b);


void
sim_way(sim_option_t *opt)
{
    uint32_t         i;
    sim_buf_t        text;
    const char     **links;
    sim_device_t     d;
    sim_profile_t    p;

    memset(&text, 0, sizeof(sim_buf_t));
    links = sim_alloc(opt->fleet.count * sizeof(char *));
    opt->scep.challenges = sim_alloc(opt->fleet.count * sizeof(char *));

    sim_way_links(opt, &text, links);

    for (i = 0; i < opt->fleet.count; i++) {
        sim_device(&opt->fleet, opt->fleet.first + i, &d);
        sim_way_one(opt, &d, links[i], &p);
        sim_way_take(opt, i, &p);
    }

    sim_buf_free(&text);
    free(links);
}


static void
sim_way_one(const sim_option_t *opt, const sim_device_t *d, const char *link,
    sim_profile_t *p)
{
    if (strcmp(opt->way, "link") == 0) {
        sim_way_link(opt, d->id, link, p);

    } else if (strcmp(opt->way, "ota") == 0) {
        sim_way_ota(opt, d, link, p);

    } else {
        sim_way_ade(opt, d, link, strcmp(opt->way, "ade-web") == 0, p);
    }
}


/* one for all, or a line for each device */

static void
sim_way_links(const sim_option_t *opt, sim_buf_t *text, const char **links)
{
    char      *p;
    size_t     n;
    uint32_t   i;

    for (i = 0; i < opt->fleet.count; i++) {
        links[i] = opt->link;
    }

    if (opt->link_file == NULL) {
        return;
    }

    sim_read_file(opt->link_file, text);
    p = text->data;

    for (i = 0; i < opt->fleet.count; i++) {
        n = strcspn(p, "\r\n");

        if (n == 0) {
            sim_die("line %u of \"%s\" is no link", (unsigned) i + 1,
                    opt->link_file);
        }

        links[i] = p;
        p += n;

        while (*p == '\r' || *p == '\n') {
            *p++ = '\0';
        }
    }
}


static void
sim_way_link(const sim_option_t *opt, const char *who, const char *link,
    sim_profile_t *p)
{
    SSL_CTX       *ctx;
    sim_fetch_t    f;
    sim_target_t   target;

    sim_target_parse(opt, link, &target);
    ctx = sim_fetch_ctx(opt, &target);
    sim_fetch_init(&f, opt, &target, ctx);

    sim_way_fetch(&f, who, NULL, NULL);

    sim_profile_read(opt, who, f.in.data + f.http.body, f.http.body_len, NULL,
                     p);

    sim_fetch_free(&f);
    SSL_CTX_free(ctx);
}


void
sim_way_fetch(sim_fetch_t *f, const char *who, const char *query,
    const sim_buf_t *body)
{
    if (sim_fetch(f, query, "application/pkcs7-signature", body) != SIM_OK) {
        sim_die("%s: the link: %s", who, f->why);
    }

    if (f->http.status != 200) {
        sim_die("%s: the link: HTTP status %d: %.*s", who, f->http.status,
                (int) (f->http.body_len < 200 ? f->http.body_len : 200),
                f->in.data + f->http.body);
    }

    if (strcmp(f->type, SIM_WAY_TYPE) != 0) {
        sim_die("%s: the profile has the content type \"%s\"", who, f->type);
    }
}


/* what a fleet has in common is the first one's */

static void
sim_way_take(sim_option_t *opt, uint32_t i, const sim_profile_t *p)
{
    opt->scep.challenges[i] = p->challenge;

    if (i > 0) {
        sim_way_same("SCEP servers", opt->scep.url, p->scep_url);
        sim_way_same("servers", opt->urls[0], p->server_url);
        sim_way_same("topics", opt->fleet.topic, p->topic);
        return;
    }

    if (strlen(p->topic) >= sizeof(opt->fleet.topic)) {
        sim_die("the topic is too long");
    }

    strcpy(opt->fleet.topic, p->topic);

    opt->urls[0] = p->server_url;
    opt->nurls = 1;
    opt->checkin_url = p->checkin_url;
    opt->sign = p->sign_message;

    opt->scep.url = p->scep_url;
    opt->scep.name = p->scep_name;
    opt->scep.fingerprint = p->fingerprint;
    opt->scep.bits = p->bits;
    opt->scep.usage = p->usage;
    opt->scep.retries = p->retries;
    opt->scep.delay = p->delay * SIM_SEC;
}


static void
sim_way_same(const char *what, const char *a, const char *b)
{
    if (strcmp(a, b) != 0) {
        sim_die("devices of one fleet have two %s: \"%s\" and \"%s\"", what, a,
                b);
    }
}
