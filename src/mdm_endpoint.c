
/*
 * Copyright (C) ngx_mdm_module authors
 */


#include "mdm_api.h"
#include "mdm_checkin.h"
#include "mdm_connect.h"
#include "mdm_endpoint.h"
#include "mdm_report.h"


#define MDM_CHECKIN_TYPE      "application/x-apple-aspen-mdm-checkin"


static mdm_int_t mdm_endpoint_answered(mdm_exchange_t *x);
static mdm_int_t mdm_endpoint_failed(mdm_exchange_t *x);
static void mdm_endpoint_device(mdm_exchange_t *x);
static void mdm_endpoint_api(mdm_exchange_t *x);
static mdm_uint_t mdm_endpoint_match(const mdm_str_t *pattern,
    const mdm_str_t *path);
static void mdm_endpoint_allow(mdm_exchange_t *x, mdm_uint_t methods);


#define mdm_checkin(name, step, secret)                                       \
    { MDM_KIND_CHECKIN, MDM_PUT, mdm_string(name), step, secret, 0 }

#define mdm_api(methods, path, step)                                          \
    { MDM_KIND_API, methods, mdm_string(path), step, 0, 0 }

#define mdm_api_acts(methods, path, step)                                     \
    { MDM_KIND_API, methods, mdm_string(path), step, 0, 1 }


const mdm_endpoint_t  mdm_endpoints[] = {

    mdm_checkin("Authenticate", mdm_checkin_authenticate, 0),
    mdm_checkin("TokenUpdate", mdm_checkin_token_update, 0),
    mdm_checkin("CheckOut", mdm_checkin_checkout, 0),
    mdm_checkin("UserAuthenticate", mdm_checkin_user_authenticate, 0),
    mdm_checkin("SetBootstrapToken", mdm_checkin_set_bootstrap_token, 0),
    mdm_checkin("GetBootstrapToken", mdm_checkin_get_bootstrap_token, 1),
    mdm_checkin("GetToken", mdm_checkin_get_token, 1),
    mdm_checkin("ReturnToService", mdm_checkin_return_to_service, 0),
    mdm_checkin("DeclarativeManagement", mdm_checkin_declarative_management,
                0),

    { MDM_KIND_CONNECT, MDM_PUT, mdm_string("Connect"), mdm_connect, 0, 0 },

    mdm_api(MDM_GET, "/version", mdm_api_version_step),
    mdm_api(MDM_PUT, "/migration", mdm_api_migration_step),
    mdm_api(MDM_PUT|MDM_POST, "/v1/enqueue/*", mdm_api_enqueue_step),
    mdm_api(MDM_GET, "/v1/queue/*", mdm_api_queue_list_step),
    mdm_api(MDM_DELETE, "/v1/queue/*", mdm_api_queue_clear_step),
    mdm_api(MDM_GET, "/v1/queue/*/*", mdm_api_command_get_step),
    mdm_api(MDM_DELETE, "/v1/queue/*/*", mdm_api_command_delete_step),
    mdm_api(MDM_POST, "/v1/enrollments/query", mdm_api_enrollment_query_step),
    mdm_api(MDM_GET, "/v1/enrollments", mdm_api_enrollment_query_step),
    mdm_api(MDM_GET, "/v1/enrollments/*", mdm_api_enrollment_get_step),
    mdm_api(MDM_DELETE, "/v1/enrollments/*/certificate",
            mdm_api_pin_reset_step),
    mdm_api(MDM_POST, "/v1/enrollments/*/secrets/release",
            mdm_api_secrets_release_step),
    mdm_api(MDM_POST, "/v1/enrollments/secrets/release",
            mdm_api_secrets_release_filter_step),

    mdm_api(MDM_GET, "/v1/declaration-status/*",
            mdm_api_status_declarations_step),
    mdm_api(MDM_GET, "/v1/status-errors/*", mdm_api_status_errors_step),
    mdm_api(MDM_GET, "/v1/status-values/*", mdm_api_status_values_step),
    mdm_api(MDM_GET, "/v1/status-report/*", mdm_api_status_report_step),
    mdm_api(MDM_POST, "/v1/status/query", mdm_api_status_query_step),
    mdm_api(MDM_GET, "/v1/status/*", mdm_api_status_get_step),

    mdm_api_acts(MDM_GET|MDM_POST, "/v1/push/*", mdm_api_push_step),
    mdm_api(MDM_GET|MDM_PUT, "/v1/pushcert", mdm_api_push_step),
    mdm_api(MDM_POST, "/v1/escrowkeyunlock", mdm_api_push_step),

    mdm_api(MDM_GET, "/v1/declarations", mdm_api_declaration_list_step),
    mdm_api(MDM_PUT, "/v1/declarations", mdm_api_declaration_put_step),
    mdm_api(MDM_GET, "/v1/declarations/*", mdm_api_declaration_get_step),
    mdm_api(MDM_DELETE, "/v1/declarations/*",
            mdm_api_declaration_delete_step),
    mdm_api(MDM_POST, "/v1/declarations/*/touch",
            mdm_api_declaration_touch_step),
    mdm_api(MDM_GET, "/v1/sets", mdm_api_set_list_step),
    mdm_api(MDM_GET, "/v1/declaration-sets/*", mdm_api_declaration_sets_step),
    mdm_api(MDM_GET, "/v1/set-declarations/*", mdm_api_set_declarations_step),
    mdm_api(MDM_PUT, "/v1/set-declarations/*", mdm_api_set_put_step),
    mdm_api(MDM_DELETE, "/v1/set-declarations/*", mdm_api_set_delete_step),
    mdm_api(MDM_GET, "/v1/set-filters/*", mdm_api_set_filter_get_step),
    mdm_api(MDM_PUT, "/v1/set-filters/*", mdm_api_set_filter_put_step),
    mdm_api(MDM_DELETE, "/v1/set-filters/*", mdm_api_set_filter_delete_step),
    mdm_api(MDM_GET, "/v1/status-watchers", mdm_api_watcher_list_step),
    mdm_api(MDM_GET, "/v1/status-watchers/*", mdm_api_watcher_get_step),
    mdm_api(MDM_PUT, "/v1/status-watchers/*", mdm_api_watcher_put_step),
    mdm_api(MDM_DELETE, "/v1/status-watchers/*", mdm_api_watcher_delete_step),
    mdm_api(MDM_GET, "/v1/ddm/rollout", mdm_api_rollout_step),
    mdm_api(MDM_GET|MDM_PUT|MDM_DELETE, "/v1/enrollment-sets/*",
            mdm_api_enrollment_sets_step),
    mdm_api(MDM_DELETE, "/v1/enrollment-sets-all/*",
            mdm_api_enrollment_sets_all_step),
    mdm_api(MDM_DELETE, "/v1/enrollment-sets-all/sets/*",
            mdm_api_enrollment_sets_all_step),
    mdm_api(MDM_GET|MDM_PUT|MDM_DELETE, "/v1/enrollment-tags/*",
            mdm_api_enrollment_tags_step),
    mdm_api(MDM_GET|MDM_PUT|MDM_DELETE, "/v1/enrollment-variables/*",
            mdm_api_enrollment_variables_step),
    mdm_api(MDM_GET, "/v1/enrollment-declarations/*",
            mdm_api_enrollment_declarations_step),
    mdm_api(MDM_GET|MDM_PUT|MDM_DELETE, "/v1/status-subscriptions/*",
            mdm_api_subscription_step),
    mdm_api(MDM_POST, "/v1/notify", mdm_api_notify_step),

    { MDM_KIND_API, 0, mdm_null_string, NULL, 0, 0 }
};


void
mdm_endpoint_find(mdm_exchange_t *x)
{
    if (x->kind == MDM_KIND_API) {
        mdm_endpoint_api(x);
        return;
    }

    mdm_endpoint_device(x);
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

    for (ep = mdm_endpoints; ep->step != NULL; ep++) {

        if (ep->kind != x->kind || !mdm_str_eq(&ep->name, &name)) {
            continue;
        }

        x->endpoint = ep;
        x->message = ep->name;
        x->step = ep->step;

        if (ep->secret && x->identity.source == MDM_IDENTITY_SIGNATURE) {

            /* who recorded the message could have it answered again */

            (void) mdm_exchange_refuse(x, 403, "a signature alone does not "
                                       "open a secret");
            x->step = mdm_endpoint_answered;
        }

        return;
    }

    (void) mdm_exchange_refuse(x, 400, "unknown MessageType \"%.*s\"",
                               mdm_fmt(&name));
    x->step = mdm_endpoint_answered;
}


static void
mdm_endpoint_api(mdm_exchange_t *x)
{
    mdm_uint_t             methods;
    const mdm_endpoint_t  *ep;

    methods = 0;

    for (ep = mdm_endpoints; ep->step != NULL; ep++) {

        if (ep->kind != MDM_KIND_API
            || !mdm_endpoint_match(&ep->name, &x->path))
        {
            continue;
        }

        methods |= ep->methods;

        if (ep->methods & x->method) {
            x->endpoint = ep;
            x->step = ep->step;
            return;
        }
    }

    x->step = mdm_endpoint_answered;

    if (methods == 0) {
        (void) mdm_exchange_refuse(x, 404, "there is no such API call");
        return;
    }

    (void) mdm_exchange_refuse(x, 405, "the method is not allowed here");
    mdm_endpoint_allow(x, methods);
}


mdm_uint_t
mdm_endpoint_get_is_safe(const mdm_str_t *path)
{
    const mdm_endpoint_t  *ep;

    for (ep = mdm_endpoints; ep->step != NULL; ep++) {

        if (ep->kind == MDM_KIND_API && ep->acts && (ep->methods & MDM_GET)
            && mdm_endpoint_match(&ep->name, path))
        {
            return 0;
        }
    }

    return 1;
}


/* "*" in a pattern stands for one segment that is not empty */

static mdm_uint_t
mdm_endpoint_match(const mdm_str_t *pattern, const mdm_str_t *path)
{
    size_t  i, k;

    i = 0;
    k = 0;

    while (i < pattern->len) {

        if (pattern->data[i] == '*') {

            if (k == path->len || path->data[k] == '/') {
                return 0;
            }

            while (k < path->len && path->data[k] != '/') {
                k++;
            }

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
