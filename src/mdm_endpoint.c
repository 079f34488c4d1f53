
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Sums the tables of endpoints, and finds the one of an exchange.
 */


#include "mdm_api.h"
#include "mdm_certificates_job.h"
#include "mdm_checkin.h"
#include "mdm_connect.h"
#include "mdm_ddm_rollout.h"
#include "mdm_endpoint.h"
#include "mdm_gauges.h"
#include "mdm_hook_job.h"
#include "mdm_push_job.h"
#include "mdm_renew.h"
#include "mdm_report.h"
#include "mdm_scep.h"
#include "mdm_setup.h"


/* arguments in the query, each for a "*" of a call's path */

typedef struct {
    mdm_str_t                 value[MDM_PARAMS];   /* still encoded */
    mdm_uint_t                given[MDM_PARAMS];   /* so many times */
} mdm_endpoint_args_t;


#define MDM_CHECKIN_TYPE      "application/x-apple-aspen-mdm-checkin"


static mdm_int_t mdm_endpoint_answered(mdm_exchange_t *x);
static mdm_int_t mdm_endpoint_failed(mdm_exchange_t *x);
static void mdm_endpoint_device(mdm_exchange_t *x);
static void mdm_endpoint_enroll(mdm_exchange_t *x);
static void mdm_endpoint_api(mdm_exchange_t *x);
static const mdm_endpoint_t *mdm_endpoint_named(mdm_kind_e kind,
    const mdm_str_t *name);
static const mdm_endpoint_t *mdm_endpoint_path(mdm_exchange_t *x,
    const mdm_endpoint_args_t *args, mdm_str_t *param, mdm_uint_t *methods);
static mdm_uint_t mdm_endpoint_stars(const mdm_endpoint_t *ep);
static mdm_uint_t mdm_endpoint_match(const mdm_str_t *pattern,
    const mdm_str_t *path, mdm_uint_t stars, mdm_str_t *param);
static void mdm_endpoint_args(const mdm_str_t *query,
    mdm_endpoint_args_t *args);
static mdm_uint_t mdm_endpoint_args_fit(const mdm_endpoint_args_t *args,
    mdm_uint_t first, mdm_uint_t end);
static mdm_int_t mdm_endpoint_args_check(mdm_exchange_t *x,
    const mdm_endpoint_args_t *args, mdm_uint_t used);
static void mdm_endpoint_allow(mdm_exchange_t *x, mdm_uint_t methods);


static const char *const  mdm_endpoint_arg_names[MDM_PARAMS] = {
    "identifier", "uuid"
};


const mdm_endpoint_t *const  mdm_endpoint_tables[] = {
    mdm_enroll_endpoints,
    mdm_checkin_endpoints,
    mdm_connect_endpoints,
    mdm_api_endpoints,
    NULL
};


static const mdm_job_kind_t *const  mdm_endpoint_jobs[] = {
    mdm_ddm_jobs,
    mdm_push_jobs,
    mdm_enroll_jobs,
    mdm_setup_jobs,
    mdm_renew_jobs,
    mdm_hook_jobs,
    mdm_gauges_jobs,
    NULL
};


mdm_uint_t
mdm_endpoint_job_kinds(const mdm_job_kind_t *kinds[MDM_ENDPOINT_JOBS])
{
    mdm_uint_t                    n;
    const mdm_job_kind_t         *kind;
    const mdm_job_kind_t *const  *table;

    n = 0;

    for (table = mdm_endpoint_jobs; *table != NULL; table++) {
        for (kind = *table; kind->step != NULL && n < MDM_ENDPOINT_JOBS;
             kind++)
        {
            kinds[n++] = kind;
        }
    }

    return n;
}


void
mdm_endpoint_find(mdm_exchange_t *x)
{
    const mdm_endpoint_t  *ep;

    switch (x->kind) {

    case MDM_KIND_API:
        mdm_endpoint_api(x);
        break;

    case MDM_KIND_CHECKIN:
    case MDM_KIND_CONNECT:
        mdm_endpoint_device(x);
        break;

    case MDM_KIND_SCEP:
    case MDM_KIND_ENROLL:
        mdm_endpoint_enroll(x);
        break;

    default: /* MDM_KIND_AUTH */

        ep = mdm_endpoint_named(x->kind, &x->message);

        if (ep == NULL) {
            x->step = mdm_endpoint_failed;
            break;
        }

        x->endpoint = ep;
        x->step = ep->step;
    }
}


mdm_int_t
mdm_endpoint_step(mdm_exchange_t *x)
{
    mdm_endpoint_find(x);

    return x->step(x);
}


static const mdm_endpoint_t *
mdm_endpoint_named(mdm_kind_e kind, const mdm_str_t *name)
{
    const mdm_endpoint_t         *ep;
    const mdm_endpoint_t *const  *table;

    for (table = mdm_endpoint_tables; *table != NULL; table++) {
        for (ep = *table; ep->step != NULL; ep++) {
            if (ep->kind == kind && mdm_str_eq(&ep->name, name)) {
                return ep;
            }
        }
    }

    return NULL;
}


static void
mdm_endpoint_device(mdm_exchange_t *x)
{
    mdm_int_t              rc;
    mdm_str_t              name;
    mdm_message_t         *m;
    const mdm_endpoint_t  *ep;

    if (x->method != MDM_PUT) {
        (void) mdm_exchange_refuse(x, 405, "a device sends PUT");
        mdm_endpoint_allow(x, MDM_PUT);
        x->step = mdm_endpoint_answered;
        return;
    }

    rc = (x->kind == MDM_KIND_CONNECT) ? mdm_report_message(x)
                                       : mdm_message_read(x);

    if (rc != MDM_OK) {
        x->step = (rc == MDM_DECLINED) ? mdm_endpoint_answered
                                       : mdm_endpoint_failed;
        return;
    }

    m = x->ctx;

    mdm_str_set(&name, "Connect");

    if (x->kind == MDM_KIND_CHECKIN
        && mdm_plist_string(m->plist, "MessageType", &name) != MDM_OK)
    {
        (void) mdm_exchange_refuse(x, 400, "MessageType is missing");
        x->step = mdm_endpoint_answered;
        return;
    }

    ep = mdm_endpoint_named(x->kind, &name);

    if (ep == NULL) {
        (void) mdm_exchange_refuse(x, 400, "unknown MessageType \"%.*s\"",
                                   mdm_fmt(&name));
        x->step = mdm_endpoint_answered;
        return;
    }

    x->endpoint = ep;
    x->message = ep->name;
    x->step = ep->step;

    if (ep->secret && x->identity.source == MDM_IDENTITY_SIGNATURE) {

        /* anyone who has recorded the message could send it again */

        (void) mdm_exchange_refuse(x, 403, "a signature alone does not "
                                   "open a secret");
        x->step = mdm_endpoint_answered;
    }
}


static void
mdm_endpoint_enroll(mdm_exchange_t *x)
{
    mdm_str_t              name;
    const mdm_endpoint_t  *ep;

    mdm_str_set(&name, "Enroll");

    if (x->kind == MDM_KIND_SCEP) {
        mdm_str_set(&name, "SCEP");
    }

    ep = mdm_endpoint_named(x->kind, &name);

    if (ep == NULL) {
        x->step = mdm_endpoint_failed;
        return;
    }

    if ((ep->methods & x->method) == 0) {
        (void) mdm_exchange_refuse(x, 405, "the method is not allowed here");
        mdm_endpoint_allow(x, ep->methods);
        x->step = mdm_endpoint_answered;
        return;
    }

    x->endpoint = ep;
    x->message = ep->name;
    x->step = ep->step;
}


/*
 * Ids stand in the path, or in the query where nginx would make another path
 * of them.  Arguments that a call does not take are refused: a call that says
 * whom it means must not mean somebody else, or all.
 */

static void
mdm_endpoint_api(mdm_exchange_t *x)
{
    mdm_str_t              param[MDM_PARAMS];
    mdm_uint_t             methods, used;
    mdm_endpoint_args_t    args, none;
    const mdm_endpoint_t  *ep;

    ep = NULL;
    used = 0;
    methods = 0;

    memset(&none, 0, sizeof(mdm_endpoint_args_t));

    mdm_endpoint_args(&x->query, &args);

    if (!mdm_endpoint_args_fit(&args, 0, 0)) {
        ep = mdm_endpoint_path(x, &args, param, &methods);
        used = (ep != NULL);
    }

    if (ep == NULL) {
        ep = mdm_endpoint_path(x, &none, param, &methods);
    }

    if (ep == NULL) {
        x->step = mdm_endpoint_answered;

        if (methods == 0) {
            (void) mdm_exchange_refuse(x, 404, "there is no such API call");
            return;
        }

        (void) mdm_exchange_refuse(x, 405, "the method is not allowed here");
        mdm_endpoint_allow(x, methods);
        return;
    }

    if (mdm_endpoint_args_check(x, &args, used) != MDM_OK) {
        x->step = mdm_endpoint_answered;
        return;
    }

    x->endpoint = ep;
    x->step = ep->step;
    memcpy(x->param, param, sizeof(param));
}


/*
 * The call of the path that takes just these arguments, or NULL; adds the
 * methods of all that do.
 */

static const mdm_endpoint_t *
mdm_endpoint_path(mdm_exchange_t *x, const mdm_endpoint_args_t *args,
    mdm_str_t *param, mdm_uint_t *methods)
{
    mdm_uint_t                    i, n, stars;
    const mdm_endpoint_t         *ep;
    const mdm_endpoint_t *const  *table;

    for (table = mdm_endpoint_tables; *table != NULL; table++) {
        for (ep = *table; ep->step != NULL; ep++) {

            if (ep->kind != MDM_KIND_API) {
                continue;
            }

            stars = mdm_endpoint_stars(ep);

            /* the first n are in the path, the rest in the query */

            for (n = 0; n <= stars; n++) {

                if (!mdm_endpoint_args_fit(args, n, stars)
                    || !mdm_endpoint_match(&ep->name, &x->path, n, param))
                {
                    continue;
                }

                *methods |= ep->methods;

                if (ep->methods & x->method) {

                    for (i = n; i < stars; i++) {
                        param[i] = args->value[i];
                    }

                    return ep;
                }
            }
        }
    }

    return NULL;
}


static mdm_uint_t
mdm_endpoint_stars(const mdm_endpoint_t *ep)
{
    size_t      i;
    mdm_uint_t  n;

    n = 0;

    for (i = 0; i < ep->name.len; i++) {
        n += (ep->name.data[i] == '*');
    }

    return n;
}


static void
mdm_endpoint_args(const mdm_str_t *query, mdm_endpoint_args_t *args)
{
    u_char      *p, *end, *amp;
    size_t       len;
    mdm_uint_t   i;

    memset(args, 0, sizeof(mdm_endpoint_args_t));

    if (query->len == 0) {
        return;
    }

    end = query->data + query->len;

    for (p = query->data; p < end; p = amp + 1) {

        amp = memchr(p, '&', (size_t) (end - p));
        amp = (amp != NULL) ? amp : end;

        for (i = 0; i < MDM_PARAMS; i++) {
            len = strlen(mdm_endpoint_arg_names[i]);

            if ((size_t) (amp - p) < len
                || memcmp(p, mdm_endpoint_arg_names[i], len) != 0
                || (p + len != amp && p[len] != '='))
            {
                continue;
            }

            args->given[i]++;
            args->value[i].data = (p + len == amp) ? amp : p + len + 1;
            args->value[i].len = (size_t) (amp - args->value[i].data);
        }
    }
}


/* are those from "first" to before "end" given, and no others? */

static mdm_uint_t
mdm_endpoint_args_fit(const mdm_endpoint_args_t *args, mdm_uint_t first,
    mdm_uint_t end)
{
    mdm_uint_t  i;

    for (i = 0; i < MDM_PARAMS; i++) {
        if ((args->given[i] != 0) != (i >= first && i < end)) {
            return 0;
        }
    }

    return 1;
}


/* MDM_OK, or what mdm_exchange_refuse() returns */

static mdm_int_t
mdm_endpoint_args_check(mdm_exchange_t *x, const mdm_endpoint_args_t *args,
    mdm_uint_t used)
{
    mdm_uint_t   i;
    const char  *why;

    for (i = 0; i < MDM_PARAMS; i++) {

        if (args->given[i] == 0) {
            continue;
        }

        if (!used) {
            why = "has no use in this call";

        } else if (args->given[i] > 1) {
            why = "is given twice";

        } else if (args->value[i].len == 0) {
            why = "is empty";

        } else {
            continue;
        }

        return mdm_exchange_refuse(x, 400, "the argument \"%s\" %s",
                                   mdm_endpoint_arg_names[i], why);
    }

    return MDM_OK;
}


mdm_uint_t
mdm_endpoint_get_is_safe(const mdm_str_t *path)
{
    mdm_str_t                     param[MDM_PARAMS];
    mdm_uint_t                    n;
    const mdm_endpoint_t         *ep;
    const mdm_endpoint_t *const  *table;

    for (table = mdm_endpoint_tables; *table != NULL; table++) {
        for (ep = *table; ep->step != NULL; ep++) {

            if (ep->kind != MDM_KIND_API || !ep->acts
                || !(ep->methods & MDM_GET))
            {
                continue;
            }

            /* whatever the query may bring */

            for (n = 0; n <= mdm_endpoint_stars(ep); n++) {
                if (mdm_endpoint_match(&ep->name, path, n, param)) {
                    return 0;
                }
            }
        }
    }

    return 1;
}


/*
 * "*" in a pattern stands for one segment that is not empty; "param" gets
 * those, in their order, and the rest of it is empty.  Only the first "stars"
 * of them are in the path: the others are missing there, with the slash before
 * them.
 */

static mdm_uint_t
mdm_endpoint_match(const mdm_str_t *pattern, const mdm_str_t *path,
    mdm_uint_t stars, mdm_str_t *param)
{
    size_t      i, k;
    mdm_uint_t  n;

    memset(param, 0, MDM_PARAMS * sizeof(mdm_str_t));

    i = 0;
    k = 0;
    n = 0;

    while (i < pattern->len) {

        if (n == stars && pattern->data[i] == '/' && i + 1 < pattern->len
            && pattern->data[i + 1] == '*')
        {
            i += 2;
            continue;
        }

        if (pattern->data[i] == '*') {

            if (k == path->len || path->data[k] == '/') {
                return 0;
            }

            param[n].data = &path->data[k];

            while (k < path->len && path->data[k] != '/') {
                k++;
            }

            param[n].len = (size_t) (&path->data[k] - param[n].data);

            n++;
            i++;
            continue;
        }

        if (k == path->len || path->data[k] != pattern->data[i]) {
            return 0;
        }

        i++;
        k++;
    }

    return k == path->len;
}


static void
mdm_endpoint_allow(mdm_exchange_t *x, mdm_uint_t methods)
{
    (void) mdm_printf(x->arena, &x->allow, "%s%s%s%s",
                      (methods & MDM_GET) ? ", GET" : "",
                      (methods & MDM_POST) ? ", POST" : "",
                      (methods & MDM_PUT) ? ", PUT" : "",
                      (methods & MDM_DELETE) ? ", DELETE" : "");

    if (x->allow.len > 2) {
        x->allow.data += 2;
        x->allow.len -= 2;
    }
}


/* the response is filled in already */

static mdm_int_t
mdm_endpoint_answered(mdm_exchange_t *x)
{
    (void) x;

    return MDM_DONE;
}


static mdm_int_t
mdm_endpoint_failed(mdm_exchange_t *x)
{
    (void) x;

    return MDM_ERROR;
}


mdm_uint_t
mdm_endpoint_is_checkin(const mdm_str_t *content_type)
{
    return mdm_str_begins_i(content_type, MDM_CHECKIN_TYPE);
}
