
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Sends a message that is in no stream.
 */


#include <openssl/rand.h>

#include "mdm_enrollment.h"
#include "mdm_hook_once.h"
#include "mdm_topic.h"


typedef struct {
    mdm_kind_e                kind;
    mdm_str_t                 message;
    mdm_str_t                 topic;
} mdm_hook_once_name_t;


static mdm_int_t mdm_hook_once_send(mdm_exchange_t *x,
    mdm_hook_once_t *once);


static const mdm_hook_once_name_t  mdm_hook_once_names[] = {
    { MDM_KIND_CONNECT, mdm_string("Connect"),
      mdm_string("mdm.Connect.Idle") },
    { MDM_KIND_CHECKIN, mdm_string("DeclarativeManagement"),
      mdm_string("mdm.DeclarativeManagement") },
    { MDM_KIND_CHECKIN, mdm_string("GetBootstrapToken"),
      mdm_string("mdm.GetBootstrapToken") },
    { MDM_KIND_CHECKIN, mdm_string("GetToken"), mdm_string("mdm.GetToken") },
    { MDM_KIND_CHECKIN, mdm_string("UserAuthenticate"),
      mdm_string("mdm.UserAuthenticate") }
};

#define MDM_HOOK_ONCE_NAMES                                                   \
    (sizeof(mdm_hook_once_names) / sizeof(mdm_hook_once_name_t))


uint64_t
mdm_hook_once_topic(const mdm_exchange_t *x, mdm_str_t *name)
{
    mdm_uint_t                   i;
    const mdm_hook_once_name_t  *row;

    /* a user without a login of his own is refused by 410 */

    if (x->status != 200 && x->status != 410) {
        return 0;
    }

    if (x->kind == MDM_KIND_CONNECT && !mdm_str_is(&x->mdm_status, "Idle")) {
        return 0;
    }

    for (i = 0; i < MDM_HOOK_ONCE_NAMES; i++) {
        row = &mdm_hook_once_names[i];

        if (row->kind == x->kind && mdm_str_eq(&row->message, &x->message)) {
            *name = row->topic;
            return mdm_topic(name);
        }
    }

    return 0;
}


mdm_int_t
mdm_hook_once_step(mdm_exchange_t *x)
{
    mdm_int_t         rc;
    mdm_str_t         why;
    mdm_hook_once_t  *once;

    once = x->ctx;

    if (x->state == 0) {
        return mdm_hook_once_send(x, once);
    }

    once->attempt = x->calls[0].http;

    rc = mdm_hook_outcome(x, x->calls[0].http, &why);

    if (rc == MDM_OK) {
        return mdm_exchange_empty(x, 200);
    }

    return (rc == MDM_DECLINED)
           ? mdm_exchange_refuse(x, 502, "%.*s", mdm_fmt(&why)) : MDM_ERROR;
}


static mdm_int_t
mdm_hook_once_send(mdm_exchange_t *x, mdm_hook_once_t *once)
{
    plist_t            message;
    mdm_int_t          rc;
    mdm_str_t          body;
    const char        *why;
    uint64_t           number;
    mdm_event_t        event;
    mdm_limits_t       limits;
    mdm_enrollment_t   en;

    limits.depth = x->settings->plist_depth;
    limits.nodes = x->settings->plist_nodes;

    rc = mdm_plist_parse(x->arena, &once->body, &limits, &message, &why);

    if (rc == MDM_OK) {
        rc = mdm_enrollment_resolve(x->arena, message, &x->tenant,
                                    x->settings->store->partitions, &en, &why);
    }

    if (rc == MDM_DECLINED) {
        return mdm_exchange_refuse(x, 502, "%s", why);
    }

    if (rc != MDM_OK
        || RAND_bytes((u_char *) &number, sizeof(number)) != 1)
    {
        return MDM_ERROR;
    }

    memset(&event, 0, sizeof(mdm_event_t));

    event.name = once->name;
    mdm_str_set(&event.stream, "once");
    mdm_str_set(&event.data, "{}");

    if (mdm_str_is(&once->name, "mdm.Connect.Idle")) {
        mdm_str_set(&event.name, "mdm.Connect");
        mdm_str_set(&event.data, "{\"status\":\"Idle\"}");
    }

    event.id = en.id_key;
    event.type = mdm_type_name(en.type);
    event.params = once->params;

    if (mdm_enrollment_user(&en)) {
        event.parent = en.device_key;
    }

    if (once->webhook->payload) {
        event.payload = once->body;
    }

    if (mdm_printf(x->arena, &event.entry, "%lld-%llx", (long long) once->ms,
                   (unsigned long long) number)
        != MDM_OK
        || mdm_event_body(x->arena, once->webhook, &x->tenant, &event, &body)
           != MDM_OK
        || mdm_exchange_calls(x, 1, 1) != MDM_CALL
        || mdm_hook_request(x, 0, once->webhook, &body, 1) == NULL)
    {
        return MDM_ERROR;
    }

    return MDM_CALL;
}
