
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Devices that say who they are by the certificate that Apple gave them: in
 * Setup Assistant, by itself or in a page, and to a Profile Service.
 */


#include "mdmsim_apple.h"
#include "mdmsim_scep.h"
#include "mdmsim_way.h"

#include <stdlib.h>


/* a URL that is asked more than once */

typedef struct {
    sim_target_t              target;
    SSL_CTX                  *ctx;
    sim_fetch_t               fetch;
} sim_way_site_t;


static void sim_way_open(const sim_option_t *opt, const char *link,
    sim_way_site_t *site);
static void sim_way_close(sim_way_site_t *site);
static void sim_way_page(const sim_option_t *opt, const sim_device_t *d,
    sim_way_site_t *site, const sim_buf_t *info);
static void sim_way_issue(const sim_option_t *opt, const sim_device_t *d,
    const sim_profile_t *p, sim_identity_t *identity);


static void
sim_way_open(const sim_option_t *opt, const char *link, sim_way_site_t *site)
{
    sim_target_parse(opt, link, &site->target);
    site->ctx = sim_fetch_ctx(opt, &site->target);
    sim_fetch_init(&site->fetch, opt, &site->target, site->ctx);
}


static void
sim_way_close(sim_way_site_t *site)
{
    sim_fetch_free(&site->fetch);
    SSL_CTX_free(site->ctx);
}


void
sim_way_ade(const sim_option_t *opt, const sim_device_t *d, const char *link,
    int web, sim_profile_t *p)
{
    sim_buf_t       plist, info;
    sim_plist_t     w;
    sim_way_site_t  site;

    memset(&w, 0, sizeof(sim_plist_t));
    memset(&plist, 0, sizeof(sim_buf_t));
    memset(&info, 0, sizeof(sim_buf_t));

    sim_plist_begin(&w, &plist, opt->binary);
    sim_apple_info(&w, opt, d);
    sim_plist_finish(&w);
    sim_apple_sign(opt, d, &plist, &info);

    sim_way_open(opt, link, &site);

    if (web) {
        sim_way_page(opt, d, &site, &info);

    } else {
        sim_way_fetch(&site.fetch, d->id, NULL, &info);
    }

    sim_profile_read(opt, d->id, site.fetch.in.data + site.fetch.http.body,
                     site.fetch.http.body_len, NULL, p);

    sim_way_close(&site);
    sim_plist_free(&w);
    sim_buf_free(&plist);
    sim_buf_free(&info);
}


/*
 * The first page has the header, and may lead to a login.  That one is not
 * gone to: it would come back with the state.
 */

static void
sim_way_page(const sim_option_t *opt, const sim_device_t *d,
    sim_way_site_t *site, const sim_buf_t *info)
{
    char          *state;
    sim_buf_t      header, query;
    sim_fetch_t   *f;

    (void) opt;

    f = &site->fetch;
    memset(&header, 0, sizeof(sim_buf_t));
    memset(&query, 0, sizeof(sim_buf_t));

    sim_buf_str(&header, "x-apple-aspen-deviceinfo: ");
    sim_buf_base64(&header, info->data, info->len);

    f->header = header.data;

    if (sim_fetch(f, NULL, NULL, NULL) != SIM_OK) {
        sim_die("%s: the first page: %s", d->id, f->why);
    }

    f->header = NULL;

    if (f->http.status == 302) {
        state = strstr(f->location, "state=");

        if (state == NULL) {
            sim_die("%s: the login has no state: \"%s\"", d->id, f->location);
        }

        state[strcspn(state, "&")] = '\0';
        sim_buf_printf(&query, "code=sim&%s", state);
        sim_way_fetch(f, d->id, query.data, NULL);

    } else if (f->http.status != 200) {
        sim_die("%s: the first page: HTTP status %d: %.*s", d->id,
                f->http.status,
                (int) (f->http.body_len < 200 ? f->http.body_len : 200),
                f->in.data + f->http.body);
    }

    sim_buf_free(&header);
    sim_buf_free(&query);
}


void
sim_way_ota(const sim_option_t *opt, const sim_device_t *d, const char *link,
    sim_profile_t *p)
{
    char            *url, *challenge;
    sim_buf_t        plist, body;
    sim_plist_t      w;
    sim_fetch_t     *f;
    sim_profile_t    first;
    sim_way_site_t   site;
    sim_identity_t   identity;

    memset(&w, 0, sizeof(sim_plist_t));
    memset(&plist, 0, sizeof(sim_buf_t));
    memset(&body, 0, sizeof(sim_buf_t));

    sim_way_open(opt, link, &site);
    sim_way_fetch(&site.fetch, d->id, NULL, NULL);
    sim_profile_service(opt, d->id, site.fetch.in.data + site.fetch.http.body,
                        site.fetch.http.body_len, &url, &challenge);
    sim_way_close(&site);

    sim_plist_begin(&w, &plist, opt->binary);
    sim_apple_attributes(&w, d, challenge);
    sim_plist_finish(&w);
    sim_apple_sign(opt, d, &plist, &body);

    sim_way_open(opt, url, &site);
    f = &site.fetch;
    sim_way_fetch(f, d->id, NULL, &body);
    sim_profile_identity(opt, d->id, f->in.data + f->http.body,
                         f->http.body_len, &first);

    sim_way_issue(opt, d, &first, &identity);

    sim_apple_sign_as(opt, identity.cert, identity.key, NULL, &plist, &body);
    sim_way_fetch(f, d->id, NULL, &body);
    sim_profile_read(opt, d->id, f->in.data + f->http.body, f->http.body_len,
                     &identity, p);

    sim_way_close(&site);
    sim_plist_free(&w);
    sim_buf_free(&plist);
    sim_buf_free(&body);
    X509_free(identity.cert);
    EVP_PKEY_free(identity.key);
    free(url);
    free(challenge);
}


/* the identity between the profiles */

static void
sim_way_issue(const sim_option_t *opt, const sim_device_t *d,
    const sim_profile_t *p, sim_identity_t *identity)
{
    sim_scep_t      s;
    sim_option_t    with;
    sim_way_site_t  site;

    with = *opt;
    with.scep.url = p->scep_url;
    with.scep.name = p->scep_name;
    with.scep.fingerprint = p->fingerprint;
    with.scep.bits = p->bits;
    with.scep.usage = p->usage;
    with.scep.retries = p->retries;
    with.scep.delay = p->delay * SIM_SEC;

    memset(&s, 0, sizeof(sim_scep_t));

    sim_way_open(&with, p->scep_url, &site);

    s.opt = &with;
    s.fetch = site.fetch;
    s.device = *d;
    s.challenge = p->challenge;
    s.key = EVP_RSA_gen(p->bits);

    if (s.key == NULL) {
        sim_ssl_die("cannot make a key");
    }

    sim_scep_device(&s);

    if (s.end != SIM_SCEP_ISSUED) {
        sim_die("%s: the identity between the profiles: %s", d->id, s.why);
    }

    identity->cert = s.issued;
    identity->key = s.key;
    s.issued = NULL;
    s.key = NULL;

    site.fetch = s.fetch;
    sim_scep_clean(&s);
    sim_way_close(&site);
}
