
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * GET, PUT, DELETE /v1/status-subscriptions/NAME: the status items that a
 * set's channels, or one channel, report.  A name may be that of both: then
 * ?kind= has to say which is meant.
 */


#include <stdlib.h>

#include "mdm_api.h"
#include "mdm_api_assignment.h"
#include "mdm_api_ddm.h"
#include "mdm_ddm_declaration.h"
#include "mdm_ddm_item.h"
#include "mdm_key.h"


#define MDM_API_ITEMS         256     /* of one subscription */
#define MDM_API_ITEM          128     /* octets of a name */


enum {
    MDM_API_SUBSCRIPTION_LOOK = 0,
    MDM_API_SUBSCRIPTION_FOUND,
    MDM_API_SUBSCRIPTION_DONE
};


typedef struct {
    mdm_enrollment_t          en;
    mdm_uint_t                enrollment;  /* it may be one, and it is one */
    mdm_uint_t                set;         /* the same */
    mdm_str_t                 key;         /* key form of the name */
    mdm_str_t                 json;        /* what is put, or empty */
    mdm_str_t                *names;       /* the items of it */
    size_t                    nnames;
    mdm_str_t                *warnings;
    mdm_uint_t                nwarnings;
    mdm_str_t                 versions[MDM_DDM_SYSTEMS];
                                           /* of those that report the items;
                                              data NULL: none does, empty: any
                                              version */
} mdm_api_subscription_t;


static mdm_int_t mdm_api_subscription_begin(mdm_exchange_t *x);
static mdm_int_t mdm_api_subscription_name(mdm_exchange_t *x,
    mdm_api_subscription_t *s);
static mdm_int_t mdm_api_subscription_look(mdm_exchange_t *x,
    mdm_api_subscription_t *s);
static mdm_int_t mdm_api_subscription_found(mdm_exchange_t *x);
static mdm_int_t mdm_api_subscription_go(mdm_exchange_t *x,
    mdm_api_subscription_t *s);
static mdm_int_t mdm_api_subscription_enrollment(mdm_exchange_t *x,
    mdm_api_subscription_t *s);
static mdm_int_t mdm_api_subscription_set(mdm_exchange_t *x,
    mdm_api_subscription_t *s);
static mdm_int_t mdm_api_subscription_done(mdm_exchange_t *x);
static mdm_int_t mdm_api_subscription_show(mdm_exchange_t *x,
    const mdm_api_subscription_t *s);
static mdm_int_t mdm_api_subscription_warn(mdm_exchange_t *x,
    const mdm_api_subscription_t *s);
static mdm_int_t mdm_api_subscription_read(mdm_exchange_t *x,
    mdm_api_subscription_t *s);
static mdm_int_t mdm_api_subscription_items(mdm_exchange_t *x,
    mdm_api_subscription_t *s, json_t *list);
static mdm_int_t mdm_api_subscription_write(mdm_exchange_t *x,
    mdm_api_subscription_t *s);
static mdm_int_t mdm_api_subscription_systems(mdm_exchange_t *x,
    mdm_api_subscription_t *s);
static mdm_str_t mdm_api_subscription_cut(mdm_str_t *rest, u_char c);
static void mdm_api_subscription_device(mdm_api_subscription_t *s,
    const mdm_reply_t *reply);
static mdm_int_t mdm_api_subscription_check(mdm_exchange_t *x,
    mdm_api_subscription_t *s);
static mdm_int_t mdm_api_subscription_item(mdm_exchange_t *x,
    mdm_api_subscription_t *s, const mdm_str_t *name);


mdm_int_t
mdm_api_subscription_step(mdm_exchange_t *x)
{
    switch (x->state) {

    case MDM_API_SUBSCRIPTION_LOOK:
        return mdm_api_subscription_begin(x);

    case MDM_API_SUBSCRIPTION_FOUND:
        return mdm_api_subscription_found(x);

    default: /* MDM_API_SUBSCRIPTION_DONE */
        return mdm_api_subscription_done(x);
    }
}


static mdm_int_t
mdm_api_subscription_begin(mdm_exchange_t *x)
{
    mdm_int_t                rc;
    mdm_str_t                kind;
    mdm_api_subscription_t  *s;

    s = mdm_arena_zalloc(x->arena, sizeof(mdm_api_subscription_t));
    if (s == NULL) {
        return MDM_ERROR;
    }

    x->ctx = s;

    rc = mdm_api_subscription_name(x, s);

    if (rc == MDM_OK && x->method == MDM_PUT) {
        rc = mdm_api_subscription_read(x, s);

        if (rc == MDM_OK) {
            rc = mdm_api_subscription_systems(x, s);
        }
    }

    if (rc == MDM_OK) {
        rc = mdm_api_arg(x, "kind", &kind);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    if (mdm_str_is(&kind, "set")) {
        s->enrollment = 0;

    } else if (mdm_str_is(&kind, "enrollment")) {
        s->set = 0;

    } else if (kind.len != 0) {
        return mdm_exchange_refuse(x, 400, "the argument \"kind\" is neither "
                                   "set nor enrollment");
    }

    if (!s->set && !s->enrollment) {
        return mdm_exchange_refuse(x, 400, "the name is too long");
    }

    if (s->enrollment && (s->set || x->method == MDM_PUT)) {
        return mdm_api_subscription_look(x, s);
    }

    return mdm_api_subscription_go(x, s);
}


static mdm_int_t
mdm_api_subscription_name(mdm_exchange_t *x, mdm_api_subscription_t *s)
{
    mdm_int_t  rc;
    mdm_str_t  raw;

    rc = mdm_api_param(x, 0, &raw);

    if (rc == MDM_OK && !mdm_utf8_valid(&raw)) {
        rc = MDM_DECLINED;
    }

    if (rc == MDM_DECLINED) {
        return mdm_exchange_refuse(x, 400, "the name is a broken "
                                   "percent-encoding, or not UTF-8");
    }

    if (rc != MDM_OK) {
        return rc;
    }

    s->set = raw.len <= MDM_API_SET;

    rc = mdm_enrollment_from_id(x->arena, &raw, &x->tenant,
                                x->settings->store->partitions, &s->en);
    if (rc == MDM_ERROR) {
        return MDM_ERROR;
    }

    s->enrollment = rc == MDM_OK;

    return mdm_key_id(x->arena, &s->key, &raw);
}


static mdm_int_t
mdm_api_subscription_look(mdm_exchange_t *x, mdm_api_subscription_t *s)
{
    mdm_str_t  key, *args;

    if (mdm_exchange_calls(x, s->set ? 2 : 1, MDM_API_SUBSCRIPTION_FOUND)
        != MDM_CALL)
    {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_ddm_device, &s->en.tag, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_DDM_DEVICE_ID] = s->en.id_key;
    args[MDM_ARG_DDM_DEVICE_DEVICE] = s->en.device_key;

    if (!s->set) {
        return MDM_CALL;
    }

    if (mdm_key_declarations(x->arena, &key, &x->tenant) != MDM_OK) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 1, &mdm_script_ddm_rev, &key, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_DDM_REV_SET] = s->key;

    return MDM_CALL;
}


static mdm_int_t
mdm_api_subscription_found(mdm_exchange_t *x)
{
    mdm_uint_t               set;
    const mdm_reply_t       *reply;
    mdm_api_subscription_t  *s;

    s = x->ctx;

    reply = x->calls[0].reply;

    if (s->set) {
        set = mdm_reply_int(x->calls[1].reply, MDM_RET_DDM_REV_KNOWN, 0) == 1;

        /* one that will enroll counts, too */

        s->enrollment = mdm_reply_int(reply, MDM_RET_DDM_DEVICE_KNOWN, 0)
                        == 1;

        if (set && s->enrollment) {
            return mdm_exchange_refuse(x, 409, "\"%.*s\" is both a set and "
                                       "an enrollment: add ?kind=set or "
                                       "?kind=enrollment", mdm_fmt(&s->key));
        }

        s->set = !s->enrollment;
    }

    if (x->method == MDM_PUT && s->enrollment) {
        mdm_api_subscription_device(s, reply);
    }

    return mdm_api_subscription_go(x, s);
}


static mdm_int_t
mdm_api_subscription_go(mdm_exchange_t *x, mdm_api_subscription_t *s)
{
    mdm_int_t  rc;

    rc = (x->method == MDM_PUT) ? mdm_api_subscription_check(x, s) : MDM_OK;
    if (rc != MDM_OK) {
        return rc;
    }

    return s->set ? mdm_api_subscription_set(x, s)
                  : mdm_api_subscription_enrollment(x, s);
}


static mdm_int_t
mdm_api_subscription_enrollment(mdm_exchange_t *x, mdm_api_subscription_t *s)
{
    mdm_str_t          field;
    mdm_api_assign_t  *assign;

    x->enrollment_id = s->en.id;

    if (x->method == MDM_GET) {
        return mdm_api_assignment_call(x, &s->en, MDM_API_SUBSCRIPTION_DONE);
    }

    assign = mdm_api_assign_create(x, &s->en, "api.StatusSubscriptions", 1);
    if (assign == NULL) {
        return MDM_ERROR;
    }

    mdm_str_set(&field, "sub");
    mdm_api_assign_add(assign, (s->json.len != 0) ? "set" : "delete", &field,
                       &s->json);

    return mdm_api_assign_call(x, assign, MDM_API_SUBSCRIPTION_DONE);
}


static mdm_int_t
mdm_api_subscription_set(mdm_exchange_t *x, mdm_api_subscription_t *s)
{
    mdm_int_t   rc;
    mdm_str_t  *args;

    if (x->method == MDM_GET) {
        rc = mdm_api_ddm_read(x, &mdm_script_ddm_set_get, &args);

        if (rc == MDM_OK) {
            args[MDM_ARG_DDM_SET_GET_SET] = s->key;
            mdm_str_set(&args[MDM_ARG_DDM_SET_GET_WHICH], "sub");
        }

    } else {
        rc = mdm_api_change(x, &mdm_script_ddm_set_put, &args);

        if (rc == MDM_OK) {
            args[MDM_ARG_DDM_SET_PUT_SET] = s->key;
            mdm_str_set(&args[MDM_ARG_DDM_SET_PUT_WHICH], "sub");
            args[MDM_ARG_DDM_SET_PUT_VALUE] = s->json;

            rc = mdm_api_number(x, &args[MDM_ARG_DDM_SET_PUT_MOST],
                                MDM_DDM_SETS);
        }
    }

    if (rc != MDM_OK) {
        return rc;
    }

    x->state = MDM_API_SUBSCRIPTION_DONE;

    return MDM_CALL;
}


static mdm_int_t
mdm_api_subscription_done(mdm_exchange_t *x)
{
    int64_t                  code;
    mdm_int_t                rc;
    mdm_api_subscription_t  *s;

    s = x->ctx;

    if (x->method == MDM_GET) {
        return mdm_api_subscription_show(x, s);
    }

    if (s->set) {
        code = mdm_reply_code(x->calls[0].reply, 0);

        if (code == -2) {
            return mdm_exchange_refuse(x, 409, "there are %d sets already, "
                                       "the most that a tenant has",
                                       MDM_DDM_SETS);
        }

        rc = mdm_api_changed(x, code == 1);

    } else {
        rc = mdm_api_assign_answer(x);
    }

    if (rc == MDM_DONE && s->nwarnings != 0
        && (x->status == 204 || x->status == 304))
    {
        return mdm_api_subscription_warn(x, s);
    }

    return rc;
}


static mdm_int_t
mdm_api_subscription_show(mdm_exchange_t *x, const mdm_api_subscription_t *s)
{
    size_t              i;
    mdm_str_t           json, field;
    const mdm_reply_t  *reply;

    reply = x->calls[0].reply;

    mdm_str_null(&json);

    if (s->set) {
        json = mdm_reply_str(reply, MDM_RET_DDM_SET_GET_VALUE);

    } else {

        for (i = MDM_RET_DDM_ASSIGNMENT_FIELDS;
             mdm_reply_row(reply, i, MDM_NRET_DDM_ASSIGNMENT_FIELDS);
             i += MDM_NRET_DDM_ASSIGNMENT_FIELDS)
        {
            field = mdm_reply_str(reply,
                                  i + MDM_RET_DDM_ASSIGNMENT_FIELDS_NAME);

            if (mdm_str_is(&field, "sub")) {
                json = mdm_reply_str(reply,
                                     i + MDM_RET_DDM_ASSIGNMENT_FIELDS_VALUE);
            }
        }
    }

    if (json.len == 0) {
        mdm_str_set(&json, "[]");
    }

    return mdm_exchange_body(x, 200, "application/json", &json);
}


/* it is done, with items that may be Apple's of next year */

static mdm_int_t
mdm_api_subscription_warn(mdm_exchange_t *x, const mdm_api_subscription_t *s)
{
    mdm_uint_t      i;
    mdm_json_out_t  j;

    mdm_json_init(&j, x->arena, 256);
    mdm_json_open(&j, NULL, '{');
    mdm_json_open(&j, "warnings", '[');

    for (i = 0; i < s->nwarnings; i++) {
        mdm_json_str(&j, NULL, &s->warnings[i]);
    }

    mdm_json_close(&j, ']');
    mdm_json_close(&j, '}');

    return mdm_api_json_answer(&j, x, 200);
}


/* ["name", …], or {"StatusItems":[{"Name":"name"}, …]} as in a declaration */

static mdm_int_t
mdm_api_subscription_read(mdm_exchange_t *x, mdm_api_subscription_t *s)
{
    json_t     *json, *list;
    mdm_int_t   rc;

    rc = mdm_api_body(x, "JSON", &json);
    if (rc != MDM_OK) {
        return rc;
    }

    list = json_is_object(json) ? json_object_get(json, "StatusItems") : json;

    if (!json_is_array(list)) {
        return mdm_exchange_refuse(x, 400, "the body is neither an array of "
                                   "status items nor an object with "
                                   "StatusItems");
    }

    if (json_array_size(list) > MDM_API_ITEMS) {
        return mdm_exchange_refuse(x, 400, "more than %d status items",
                                   MDM_API_ITEMS);
    }

    return mdm_api_subscription_items(x, s, list);
}


static mdm_int_t
mdm_api_subscription_items(mdm_exchange_t *x, mdm_api_subscription_t *s,
    json_t *list)
{
    size_t      i, n;
    json_t     *item;
    mdm_str_t  *names;

    n = json_array_size(list);

    names = mdm_arena_alloc(x->arena, n * sizeof(mdm_str_t));
    if (names == NULL) {
        return MDM_ERROR;
    }

    for (i = 0; i < n; i++) {
        item = json_array_get(list, i);

        if (json_is_object(item)) {
            item = json_object_get(item, "Name");
        }

        if (!json_is_string(item) || json_string_length(item) == 0
            || json_string_length(item) > MDM_API_ITEM
            || strcspn(json_string_value(item), "\r\n")
               != json_string_length(item))
        {
            return mdm_exchange_refuse(x, 400, "element %zu is not the name "
                                       "of a status item", i);
        }

        names[i].data = (u_char *) json_string_value(item);
        names[i].len = json_string_length(item);
    }

    qsort(names, n, sizeof(mdm_str_t), mdm_str_order);

    for (i = 0; i < n; i++) {

        if (i == 0 || !mdm_str_eq(&names[i], &names[s->nnames - 1])) {
            names[s->nnames++] = names[i];
        }
    }

    s->names = names;

    return (n == 0) ? MDM_OK : mdm_api_subscription_write(x, s);
}


/* sorted, each once: the same list is the same text */

static mdm_int_t
mdm_api_subscription_write(mdm_exchange_t *x, mdm_api_subscription_t *s)
{
    size_t          i;
    mdm_json_out_t  j;

    mdm_json_init(&j, x->arena, 256);
    mdm_json_open(&j, NULL, '[');

    for (i = 0; i < s->nnames; i++) {
        mdm_json_str(&j, NULL, &s->names[i]);
    }

    mdm_json_close(&j, ']');

    return mdm_json_end(&j, &s->json);
}


/* ?os=NAME[:VERSION],…: what those have that are going to report the items */

static mdm_int_t
mdm_api_subscription_systems(mdm_exchange_t *x, mdm_api_subscription_t *s)
{
    mdm_int_t   rc;
    mdm_str_t   arg, name, version;
    mdm_uint_t  system;

    rc = mdm_api_arg(x, "os", &arg);

    while (rc == MDM_OK && arg.len != 0) {
        version = mdm_api_subscription_cut(&arg, ',');
        name = mdm_api_subscription_cut(&version, ':');
        system = mdm_ddm_system_named(&name);

        if (system == MDM_DDM_SYSTEMS) {
            return mdm_exchange_refuse(x, 400, "the argument \"os\" names "
                                       "\"%.*s\": iOS, macOS, tvOS, visionOS "
                                       "and watchOS are known",
                                       mdm_fmt(&name));
        }

        s->versions[system] = version;
    }

    return rc;
}


/* takes what stands before c, and c, off the rest */

static mdm_str_t
mdm_api_subscription_cut(mdm_str_t *rest, u_char c)
{
    mdm_str_t  part;

    part.data = rest->data;

    for (part.len = 0; part.len < rest->len; part.len++) {

        if (rest->data[part.len] == c) {
            rest->data++;
            rest->len--;
            break;
        }
    }

    rest->data += part.len;
    rest->len -= part.len;

    return part;
}


/* the system of the device itself is one more */

static void
mdm_api_subscription_device(mdm_api_subscription_t *s,
    const mdm_reply_t *reply)
{
    mdm_str_t   product, version;
    mdm_uint_t  system;

    product = mdm_reply_str(reply, MDM_RET_DDM_DEVICE_PRODUCT);
    version = mdm_reply_str(reply, MDM_RET_DDM_DEVICE_OS);
    system = mdm_ddm_system(&product);

    if (system != MDM_DDM_SYSTEMS) {
        s->versions[system] = version;

        if (version.len == 0) {
            s->versions[system].data = (u_char *) "";
        }
    }
}


static mdm_int_t
mdm_api_subscription_check(mdm_exchange_t *x, mdm_api_subscription_t *s)
{
    size_t      i;
    mdm_int_t   rc;
    mdm_uint_t  check;

    check = 1;

    rc = mdm_api_arg_flag(x, "validate", &check);
    if (rc != MDM_OK) {
        return rc;
    }

    if (!check || x->settings->validate == MDM_VALIDATE_OFF) {
        return MDM_OK;
    }

    s->warnings = mdm_arena_alloc(x->arena, s->nnames * MDM_DDM_SYSTEMS
                                            * sizeof(mdm_str_t));
    if (s->warnings == NULL) {
        return MDM_ERROR;
    }

    for (i = 0; i < s->nnames; i++) {
        rc = mdm_api_subscription_item(x, s, &s->names[i]);
        if (rc != MDM_OK) {
            return rc;
        }
    }

    if (s->nwarnings != 0 && x->settings->validate == MDM_VALIDATE_STRICT) {
        return mdm_exchange_refuse(x, 400, "%.*s", mdm_fmt(&s->warnings[0]));
    }

    return MDM_OK;
}


/* what is wrong with an item, on each system that is to report it */

static mdm_int_t
mdm_api_subscription_item(mdm_exchange_t *x, mdm_api_subscription_t *s,
    const mdm_str_t *name)
{
    mdm_int_t              rc;
    mdm_str_t              since, *text;
    mdm_uint_t             k;
    const mdm_str_t       *version;
    const mdm_ddm_item_t  *item;

    item = mdm_ddm_item_find(name);

    if (item == NULL) {
        return mdm_printf(x->arena, &s->warnings[s->nwarnings++],
                          "unknown status item \"%.*s\"", mdm_fmt(name));
    }

    for (k = 0; k < MDM_DDM_SYSTEMS; k++) {
        version = &s->versions[k];

        if (version->data == NULL) {
            continue;
        }

        since.data = (u_char *) item->since[k];
        since.len = strlen(item->since[k]);

        text = &s->warnings[s->nwarnings];

        if (since.len == 0) {
            rc = mdm_printf(x->arena, text, "status item \"%.*s\" is not on "
                            "%s", mdm_fmt(name), mdm_ddm_system_name(k));

        } else if (version->len != 0
                   && mdm_ddm_version_cmp(version, &since) < 0)
        {
            rc = mdm_printf(x->arena, text, "status item \"%.*s\" needs %s "
                            "%.*s, this is %.*s", mdm_fmt(name),
                            mdm_ddm_system_name(k), mdm_fmt(&since),
                            mdm_fmt(version));

        } else {
            continue;
        }

        if (rc != MDM_OK) {
            return rc;
        }

        s->nwarnings++;
    }

    return MDM_OK;
}
