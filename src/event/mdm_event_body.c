
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The body of COMPAT's webhook: topic, event_id, created_at, and an event by
 * kind.
 */


#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "mdm_date.h"
#include "mdm_event_body.h"
#include "mdm_json_write.h"
#include "mdm_plist.h"


/* bytes of the body beside the payload: what is usual */
#define MDM_EVENT_BODY        1024


static const char *mdm_event_kind(const mdm_event_t *event);
static mdm_int_t mdm_event_created(mdm_json_out_t *j,
    const mdm_event_t *event);
static void mdm_event_message(mdm_json_out_t *j, const mdm_event_t *event,
    const json_t *data, const mdm_str_t *payload);
static void mdm_event_who(mdm_json_out_t *j, const mdm_event_t *event);
static mdm_int_t mdm_event_params(mdm_json_out_t *j,
    const mdm_event_t *event);
static mdm_int_t mdm_event_plain(mdm_arena_t *arena,
    const mdm_event_t *event, mdm_str_t *payload);
static mdm_str_t mdm_event_text(const json_t *data, const char *name);


/* what is secret in messages of devices */

static const char *const  mdm_event_secrets[] = {
    "UnlockToken", "Token", "PushMagic", "BootstrapToken"
};

#define MDM_EVENT_SECRETS     (sizeof(mdm_event_secrets) / sizeof(char *))


mdm_int_t
mdm_event_id(mdm_arena_t *arena, const mdm_str_t *tenant,
    const mdm_event_t *event, mdm_str_t *dst)
{
    return mdm_printf(arena, dst, "%.*s.%.*s.%.*s", mdm_fmt(tenant),
                      mdm_fmt(&event->stream), mdm_fmt(&event->entry));
}


mdm_int_t
mdm_event_body(mdm_arena_t *arena, const mdm_webhook_t *webhook,
    const mdm_str_t *tenant, const mdm_event_t *event, mdm_str_t *body)
{
    json_t          *data;
    mdm_str_t        id, payload;
    const char      *kind;
    json_error_t     error;
    mdm_json_out_t   j;

    data = event->parsed;
    payload = event->payload;

    if (mdm_event_id(arena, tenant, event, &id) != MDM_OK
        || (data == NULL
            && mdm_json_read(arena, &event->data, 0, &data, &error)
               == MDM_ERROR))
    {
        return MDM_ERROR;
    }

    if (!webhook->secrets && payload.len != 0
        && !mdm_str_is(&event->name, "mdm.Connect")
        && mdm_event_plain(arena, event, &payload) != MDM_OK)
    {
        return MDM_ERROR;
    }

    mdm_json_init(&j, arena, MDM_EVENT_BODY + payload.len / 3 * 4
                             + event->data.len);

    mdm_json_open(&j, NULL, '{');
    mdm_json_str(&j, "topic", &event->name);
    mdm_json_str(&j, "event_id", &id);

    if (mdm_event_created(&j, event) != MDM_OK) {
        return MDM_ERROR;
    }

    kind = mdm_event_kind(event);

    if (kind != NULL) {
        mdm_json_open(&j, kind, '{');
        mdm_event_message(&j, event, data, &payload);

        if (mdm_event_params(&j, event) != MDM_OK) {
            return MDM_ERROR;
        }

    } else {
        mdm_json_open(&j, "event", '{');
        mdm_json_id(&j, "id", &event->id);

        if (data != NULL) {
            mdm_json_value(&j, "data", &event->data);
        }
    }

    mdm_json_close(&j, '}');
    mdm_json_close(&j, '}');

    return mdm_json_end(&j, body);
}


/* of a message; NULL: it is none */

static const char *
mdm_event_kind(const mdm_event_t *event)
{
    mdm_uint_t  i;

    static const char *const  names[] = {
        "mdm.Authenticate", "mdm.TokenUpdate", "mdm.CheckOut",
        "mdm.SetBootstrapToken", "mdm.DeclarativeManagement",
        "mdm.GetBootstrapToken", "mdm.GetToken", "mdm.UserAuthenticate", NULL
    };

    if (mdm_str_is(&event->name, "mdm.Connect")) {
        return "acknowledge_event";
    }

    for (i = 0; names[i] != NULL; i++) {
        if (mdm_str_is(&event->name, names[i])) {
            return "checkin_event";
        }
    }

    return NULL;
}


/* the time is in the entry's id */

static mdm_int_t
mdm_event_created(mdm_json_out_t *j, const mdm_event_t *event)
{
    u_char     *dash, date[MDM_DATE_LEN];
    int64_t     ms;
    mdm_str_t   text;

    text = event->entry;
    dash = memchr(text.data, '-', text.len);

    if (dash != NULL) {
        text.len = (size_t) (dash - text.data);
    }

    if (mdm_atoi(&text, &ms) != MDM_OK
        || mdm_date_unix(date, ms / 1000) != MDM_OK)
    {
        return MDM_OK;
    }

    if (mdm_printf(j->arena, &text, "%.*s.%03dZ", (int) MDM_DATE_LEN - 1,
                   (char *) date, (int) (ms % 1000))
        != MDM_OK)
    {
        return MDM_ERROR;
    }

    mdm_json_str(j, "created_at", &text);

    return MDM_OK;
}


static void
mdm_event_message(mdm_json_out_t *j, const mdm_event_t *event,
    const json_t *data, const mdm_str_t *payload)
{
    mdm_str_t      text;
    const json_t  *tally;

    mdm_event_who(j, event);

    if (mdm_str_is(&event->name, "mdm.Connect")) {
        text = mdm_event_text(data, "status");
        mdm_json_str(j, "status", &text);

        text = mdm_event_text(data, "command_uuid");

        if (text.len != 0) {
            mdm_json_id(j, "command_uuid", &text);
        }
    }

    mdm_json_base64(j, "raw_payload", payload);

    if (event->lost) {
        mdm_json_bool(j, "result_lost", 1);
    }

    if (mdm_str_is(&event->name, "mdm.TokenUpdate")) {
        tally = json_object_get(data, "tally");

        if (json_is_integer(tally)) {
            mdm_json_int(j, "token_update_tally", json_integer_value(tally));
        }
    }
}


/* the device, and the channel */

static void
mdm_event_who(mdm_json_out_t *j, const mdm_event_t *event)
{
    u_char     *colon;
    mdm_str_t   device, type;

    device = event->id;
    colon = (device.len != 0) ? memchr(device.data, ':', device.len) : NULL;

    if (colon != NULL) {
        device.len = (size_t) (colon - device.data);
    }

    type = event->type;

    /* it was forgotten meanwhile */

    if (type.len == 0) {
        mdm_str_set(&type, "Device");

        if (colon != NULL) {
            mdm_str_set(&type, "User");
        }
    }

    mdm_json_id(j, mdm_str_begins_i(&type, "User Enrollment")
                   ? "enrollment_id" : "udid",
                &device);

    mdm_json_open(j, "ids", '{');
    mdm_json_id(j, "id", &event->id);
    mdm_json_str(j, "type", &type);

    if (event->parent.len != 0) {
        mdm_json_id(j, "parent_id", &event->parent);

    } else if (colon != NULL) {
        mdm_json_id(j, "parent_id", &device);
    }

    mdm_json_close(j, '}');
}


/* each name once, the first one; what is no percent-encoding stays as it is */

static mdm_int_t
mdm_event_params(mdm_json_out_t *j, const mdm_event_t *event)
{
    u_char      *p, *end, *amp, *equals;
    json_t      *seen;
    mdm_int_t    rc;
    mdm_str_t    name, value;
    mdm_uint_t   open;

    if (event->params.len == 0) {
        return MDM_OK;
    }

    seen = json_object();
    if (seen == NULL) {
        return MDM_ERROR;
    }

    open = 0;
    rc = MDM_OK;
    end = event->params.data + event->params.len;

    for (p = event->params.data; p < end; p = amp + 1) {

        amp = memchr(p, '&', (size_t) (end - p));
        amp = (amp != NULL) ? amp : end;

        equals = memchr(p, '=', (size_t) (amp - p));

        name.data = p;
        name.len = (size_t) (((equals != NULL) ? equals : amp) - p);

        value.data = (equals != NULL) ? equals + 1 : amp;
        value.len = (size_t) (amp - value.data);

        if (mdm_unescape(j->arena, &name, &name) == MDM_ERROR
            || mdm_unescape(j->arena, &value, &value) == MDM_ERROR)
        {
            rc = MDM_ERROR;
            break;
        }

        if (mdm_printf(j->arena, &name, "%.*s", mdm_fmt(&name)) != MDM_OK) {
            rc = MDM_ERROR;
            break;
        }

        if (name.len == 0 || !mdm_utf8_valid(&name)
            || json_object_get(seen, (char *) name.data) != NULL)
        {
            continue;
        }

        if (json_object_set_new(seen, (char *) name.data, json_true()) != 0) {
            rc = MDM_ERROR;
            break;
        }

        if (!open) {
            mdm_json_open(j, "url_params", '{');
            open = 1;
        }

        mdm_json_key(j, &name);
        mdm_json_str(j, NULL, &value);
    }

    json_decref(seen);

    if (open) {
        mdm_json_close(j, '}');
    }

    return rc;
}


/* the message without what is secret in it */

static mdm_int_t
mdm_event_plain(mdm_arena_t *arena, const mdm_event_t *event,
    mdm_str_t *payload)
{
    plist_t        root;
    mdm_int_t      rc;
    mdm_uint_t     i;
    const char    *why;
    mdm_limits_t   limits;

    limits.depth = MDM_PLIST_DEPTH;
    limits.nodes = MDM_PLIST_NODES;

    rc = mdm_plist_parse(arena, &event->payload, &limits, &root, &why);

    if (rc == MDM_DECLINED) {
        mdm_str_set(payload, "");
        return MDM_OK;
    }

    if (rc != MDM_OK) {
        return rc;
    }

    for (i = 0; i < MDM_EVENT_SECRETS; i++) {
        plist_dict_remove_item(root, mdm_event_secrets[i]);
    }

    return mdm_plist_xml(arena, root, payload);
}


static mdm_str_t
mdm_event_text(const json_t *data, const char *name)
{
    mdm_str_t      s;
    const json_t  *value;

    mdm_str_set(&s, "");

    value = json_object_get(data, name);

    if (json_is_string(value)) {
        s.data = (u_char *) (uintptr_t) json_string_value(value);
        s.len = json_string_length(value);
    }

    return s;
}


EVP_MAC_CTX *
mdm_event_hmac_create(const mdm_str_t *key)
{
    EVP_MAC      *mac;
    OSSL_PARAM    params[2];
    EVP_MAC_CTX  *hmac;

    static char  digest[] = "SHA256";

    mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    if (mac == NULL) {
        return NULL;
    }

    hmac = EVP_MAC_CTX_new(mac);

    EVP_MAC_free(mac);

    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest,
                                                 0);
    params[1] = OSSL_PARAM_construct_end();

    if (hmac != NULL && EVP_MAC_init(hmac, key->data, key->len, params) != 1) {
        EVP_MAC_CTX_free(hmac);
        return NULL;
    }

    return hmac;
}


mdm_int_t
mdm_event_hmac(mdm_arena_t *arena, const EVP_MAC_CTX *hmac,
    const mdm_str_t *body, mdm_str_t *dst)
{
    int           rc;
    u_char        md[EVP_MAX_MD_SIZE];
    mdm_str_t     s;
    EVP_MAC_CTX  *copy;

    s.data = md;
    s.len = 0;

    copy = EVP_MAC_CTX_dup(hmac);

    rc = copy != NULL && EVP_MAC_update(copy, body->data, body->len) == 1
         && EVP_MAC_final(copy, md, &s.len, sizeof(md)) == 1;

    EVP_MAC_CTX_free(copy);

    if (!rc) {
        return mdm_arena_failed(arena, "EVP_MAC");
    }

    return mdm_base64(arena, dst, &s);
}
