
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A link is opened, or somebody comes whom nginx knows: they are given a
 * profile.  Mail scanners and previews open links, too, so that this spends
 * nothing.
 */


#include "mdm_enroll.h"
#include "mdm_link.h"


#define MDM_ENROLL_SAFARI                                                     \
    "<!DOCTYPE html>\n"                                                       \
    "<html lang=\"en\"><head><meta charset=\"utf-8\">"                        \
    "<meta name=\"viewport\" content=\"width=device-width\">"                 \
    "<title>Open this page in Safari</title></head>\n"                        \
    "<body><h1>Open this page in Safari</h1>\n"                               \
    "<p>Only Safari can install a profile on this device. Copy the address "  \
    "of this page, open Safari, and paste it there.</p>\n"                    \
    "</body></html>\n"


enum {
    MDM_ENROLL_LINK_BEGIN = 0,
    MDM_ENROLL_LINK_FETCHED
};


static mdm_int_t mdm_enroll_link_ask(mdm_exchange_t *x);
static mdm_int_t mdm_enroll_link_fetched(mdm_exchange_t *x,
    mdm_link_fetch_t *f);
static mdm_int_t mdm_enroll_link_person(mdm_exchange_t *x);
static mdm_int_t mdm_enroll_link_give(mdm_exchange_t *x,
    const mdm_challenge_t *c, int64_t ttl);
static mdm_int_t mdm_enroll_link_look(mdm_exchange_t *x);
static mdm_uint_t mdm_enroll_link_other(const mdm_str_t *agent);
static mdm_uint_t mdm_enroll_link_has(const mdm_str_t *agent,
    const char *word);


/* browsers on iOS that are not Safari, though they say so */

static const char *const  mdm_enroll_browsers[] = {
    "CriOS/", "FxiOS/", "EdgiOS/", "OPiOS/", "OPT/", "OPX/", "DuckDuckGo/",
    "Ddg/", "GSA/", "YaBrowser/", "Brave/", "Focus/", "Vivaldi/", "FBAN/",
    "FBAV/", "Instagram", "Line/", "MicroMessenger", NULL
};


mdm_int_t
mdm_enroll_link(mdm_exchange_t *x)
{
    return (x->state == MDM_ENROLL_LINK_BEGIN)
           ? mdm_enroll_link_ask(x) : mdm_enroll_link_fetched(x, x->ctx);
}


static mdm_int_t
mdm_enroll_link_ask(mdm_exchange_t *x)
{
    mdm_link_fetch_t  *f;

    if (x->path.len == 0) {
        return mdm_enroll_link_person(x);
    }

    f = mdm_arena_zalloc(x->arena, sizeof(mdm_link_fetch_t));
    if (f == NULL) {
        return MDM_ERROR;
    }

    f->value = x->path;
    f->enrollment = x->enrollment->name;
    f->count = !x->head && !mdm_enroll_link_other(&x->user_agent);
    x->ctx = f;

    return mdm_exchange_enter(x, mdm_link_fetch, f, MDM_ENROLL_LINK_FETCHED);
}


mdm_int_t
mdm_enroll_link_good(mdm_exchange_t *x, const mdm_link_fetch_t *f)
{
    switch (f->code) {

    case MDM_LINK_GOOD:
        break;

    case MDM_LINK_EXPIRED:
        return mdm_exchange_refuse(x, 410, "this link has expired");

    case MDM_LINK_USED:
        return mdm_exchange_refuse(x, 410, "this link was used already");

    case MDM_LINK_OPENED:
        return mdm_exchange_refuse(x, 410, "this link was opened too often");

    default: /* MDM_LINK_UNKNOWN */
        return mdm_exchange_refuse(x, 403, "there is no such link");
    }

    return MDM_OK;
}


static mdm_int_t
mdm_enroll_link_fetched(mdm_exchange_t *x, mdm_link_fetch_t *f)
{
    mdm_int_t  rc;

    rc = mdm_enroll_link_good(x, f);
    if (rc != MDM_OK) {
        return rc;
    }

    if (!f->count) {
        return mdm_enroll_link_look(x);
    }

    if (f->c.person.len == 0) {
        f->c.person = x->person;
    }

    return mdm_enroll_link_give(x, &f->c, f->ends - x->now);
}


/* without a link: who has shown nginx who they are */

static mdm_int_t
mdm_enroll_link_person(mdm_exchange_t *x)
{
    mdm_challenge_t  c;

    if (x->person.len == 0) {
        return mdm_exchange_refuse(x, 403, "to enroll here takes a link");
    }

    if (x->head || mdm_enroll_link_other(&x->user_agent)) {
        return mdm_enroll_link_look(x);
    }

    memset(&c, 0, sizeof(mdm_challenge_t));
    c.person = x->person;

    return mdm_enroll_link_give(x, &c, 0);
}


static mdm_int_t
mdm_enroll_link_give(mdm_exchange_t *x, const mdm_challenge_t *c, int64_t ttl)
{
    mdm_enroll_grant_t  *g;

    g = mdm_arena_zalloc(x->arena, sizeof(mdm_enroll_grant_t));
    if (g == NULL) {
        return MDM_ERROR;
    }

    g->block = x->enrollment;
    g->c = *c;
    g->c.purpose = MDM_PURPOSE_DEVICE;
    mdm_str_set(&g->c.way, "link");
    mdm_str_null(&g->c.id);

    /* clocks differ */

    g->ttl = (ttl < 0) ? 1 : ttl;

    return mdm_enroll_profile(x, g);
}


/* for who only looks, or cannot use it */

static mdm_int_t
mdm_enroll_link_look(mdm_exchange_t *x)
{
    mdm_str_t  page;

    if (x->head && !mdm_enroll_link_other(&x->user_agent)) {
        mdm_str_null(&page);
        return mdm_enroll_answer(x, &page);
    }

    mdm_str_set(&page, MDM_ENROLL_SAFARI);

    return mdm_exchange_body(x, 200, "text/html; charset=utf-8", &page);
}


/*
 * On iOS others than Safari, and views of pages within applications, save a
 * profile as a file at best.
 */

static mdm_uint_t
mdm_enroll_link_other(const mdm_str_t *agent)
{
    mdm_uint_t  i;

    if (!mdm_enroll_link_has(agent, "Mozilla/")
        || (!mdm_enroll_link_has(agent, "iPhone")
            && !mdm_enroll_link_has(agent, "iPad")
            && !mdm_enroll_link_has(agent, "iPod")))
    {
        return 0;
    }

    for (i = 0; mdm_enroll_browsers[i] != NULL; i++) {
        if (mdm_enroll_link_has(agent, mdm_enroll_browsers[i])) {
            return 1;
        }
    }

    return !mdm_enroll_link_has(agent, "Safari/");
}


static mdm_uint_t
mdm_enroll_link_has(const mdm_str_t *agent, const char *word)
{
    size_t  i, n;

    n = strlen(word);

    for (i = 0; i + n <= agent->len; i++) {
        if (memcmp(agent->data + i, word, n) == 0) {
            return 1;
        }
    }

    return 0;
}
