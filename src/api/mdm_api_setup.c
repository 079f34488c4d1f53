
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * /v1/setups: what devices are to have first.
 */


#include "mdm_api.h"
#include "mdm_api_ddm.h"
#include "mdm_command.h"
#include "mdm_key.h"
#include "mdm_setup.h"


#define MDM_API_SETUP_FULL    -2

/* strings in one list of a filter, and bytes of one */
#define MDM_API_SETUP_LIST    100
#define MDM_API_SETUP_TEXT    128


enum {
    MDM_API_SETUP_BEGIN = 0,
    MDM_API_SETUP_STORED,
    MDM_API_SETUP_CHANGED
};


/* of a PUT */

typedef struct {
    mdm_str_t                 name;        /* key form */
    mdm_uint_t                validate;    /* mdm_validate_e */
    mdm_uint_t                warnings;    /* 1: are asked for */
    mdm_uint_t                nwarnings;
    mdm_json_out_t            json;
} mdm_api_setup_t;


static mdm_int_t mdm_api_setup_put_call(mdm_exchange_t *x);
static mdm_int_t mdm_api_setup_args(mdm_exchange_t *x, mdm_api_setup_t *s);
static mdm_int_t mdm_api_setup_check(mdm_exchange_t *x, mdm_api_setup_t *s,
    json_t *root);
static mdm_int_t mdm_api_setup_member(mdm_exchange_t *x, mdm_api_setup_t *s,
    json_t *root, const char *name, json_t *value);
static mdm_int_t mdm_api_setup_filter(mdm_exchange_t *x, json_t *filter);
static mdm_int_t mdm_api_setup_steps(mdm_exchange_t *x, mdm_api_setup_t *s,
    json_t *steps);
static mdm_int_t mdm_api_setup_step(mdm_exchange_t *x, mdm_api_setup_t *s,
    size_t i, json_t *step);
static mdm_uint_t mdm_api_setup_uuid(mdm_exchange_t *x, const json_t *step,
    const mdm_str_t *body, const mdm_limits_t *limits);
static mdm_int_t mdm_api_setup_timeout(mdm_exchange_t *x, json_t *root,
    json_t *value);
static mdm_int_t mdm_api_setup_store(mdm_exchange_t *x,
    const mdm_str_t *name, const mdm_str_t *json);
static mdm_int_t mdm_api_setup_changed(mdm_exchange_t *x);
static mdm_int_t mdm_api_setup_put_answer(mdm_exchange_t *x,
    mdm_api_setup_t *s);


mdm_int_t
mdm_api_setup_list_step(mdm_exchange_t *x)
{
    size_t              i;
    mdm_str_t           key, name;
    mdm_json_out_t      j;
    const mdm_reply_t  *reply;

    if (x->state == 0) {

        if (mdm_key_profiles(x->arena, &key, &x->tenant) != MDM_OK
            || mdm_printf(x->arena, &key, "%.*s:setup", mdm_fmt(&key))
               != MDM_OK
            || mdm_exchange_calls(x, 1, 1) != MDM_CALL
            || mdm_exchange_call(x, 0, &mdm_script_setup_names, &key, 0)
               == NULL)
        {
            return MDM_ERROR;
        }

        return MDM_CALL;
    }

    reply = x->calls[0].reply;

    mdm_json_init(&j, x->arena, 1024);
    mdm_json_open(&j, NULL, '[');

    for (i = 0; i < mdm_reply_size(reply); i++) {
        name = mdm_reply_str(reply, i);
        mdm_json_id(&j, NULL, &name);
    }

    mdm_json_close(&j, ']');

    return mdm_api_json_answer(&j, x, 200);
}


mdm_int_t
mdm_api_setup_get_step(mdm_exchange_t *x)
{
    mdm_int_t            rc;
    mdm_str_t            key, tag, name, json;
    mdm_secret_where_t   where;

    rc = mdm_api_name(x, 0, MDM_API_SET, &name);
    if (rc != MDM_OK) {
        return rc;
    }

    if (mdm_key_profiles(x->arena, &tag, &x->tenant) != MDM_OK) {
        return MDM_ERROR;
    }

    if (x->state == 0) {

        if (mdm_printf(x->arena, &key, "%.*s:s:%.*s", mdm_fmt(&tag),
                       mdm_fmt(&name))
            != MDM_OK
            || mdm_exchange_calls(x, 1, 1) != MDM_CALL
            || mdm_exchange_call(x, 0, &mdm_script_setup_get, &key, 0) == NULL)
        {
            return MDM_ERROR;
        }

        return MDM_CALL;
    }

    json = mdm_reply_str(x->calls[0].reply, MDM_RET_SETUP_GET_VALUE);

    if (json.len == 0) {
        return mdm_exchange_refuse(x, 404, "there is no such setup");
    }

    mdm_setup_where(&where, &tag, &name);

    rc = mdm_exchange_open(x, &where, &json);

    return (rc == MDM_OK)
           ? mdm_exchange_body(x, 200, "application/json", &json) : rc;
}


mdm_int_t
mdm_api_setup_delete_step(mdm_exchange_t *x)
{
    mdm_int_t  rc;
    mdm_str_t  name, none;

    switch (x->state) {

    case MDM_API_SETUP_STORED:
        return (mdm_reply_code(x->calls[0].reply, 0) == 1)
               ? mdm_api_setup_changed(x)
               : mdm_exchange_refuse(x, 404, "there is no such setup");

    case MDM_API_SETUP_CHANGED:
        return mdm_exchange_empty(x, 204);

    default: /* MDM_API_SETUP_BEGIN */
        break;
    }

    mdm_str_null(&none);

    rc = mdm_api_name(x, 0, MDM_API_SET, &name);

    return (rc == MDM_OK) ? mdm_api_setup_store(x, &name, &none) : rc;
}


mdm_int_t
mdm_api_setup_put_step(mdm_exchange_t *x)
{
    switch (x->state) {

    case MDM_API_SETUP_STORED:

        if (mdm_reply_code(x->calls[0].reply, 0) == MDM_API_SETUP_FULL) {
            return mdm_exchange_refuse(x, 409, "there are %d setups already, "
                                       "the most that a tenant has",
                                       MDM_SETUPS);
        }

        return mdm_api_setup_changed(x);

    case MDM_API_SETUP_CHANGED:
        return mdm_api_setup_put_answer(x, x->ctx);

    default: /* MDM_API_SETUP_BEGIN */
        return mdm_api_setup_put_call(x);
    }
}


static mdm_int_t
mdm_api_setup_put_call(mdm_exchange_t *x)
{
    json_t              *root;
    mdm_int_t            rc;
    mdm_str_t            key, json;
    mdm_api_setup_t     *s;
    mdm_secret_where_t   where;

    s = mdm_arena_zalloc(x->arena, sizeof(mdm_api_setup_t));
    if (s == NULL) {
        return MDM_ERROR;
    }

    x->ctx = s;
    root = NULL;

    mdm_json_init(&s->json, x->arena, 256);
    mdm_json_open(&s->json, NULL, '{');
    mdm_json_open(&s->json, "warnings", '[');

    rc = mdm_api_setup_args(x, s);

    if (rc == MDM_OK) {
        rc = mdm_api_body_load(x, &root);
    }

    if (rc == MDM_OK) {
        rc = mdm_api_setup_check(x, s, root);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    if (mdm_json_dump(x->arena, root, 0, &json) != MDM_OK
        || mdm_key_profiles(x->arena, &key, &x->tenant) != MDM_OK)
    {
        return MDM_ERROR;
    }

    if (json.len > MDM_SETUP_SIZE) {
        return mdm_exchange_refuse(x, 400, "a setup has at most %d octets",
                                   MDM_SETUP_SIZE);
    }

    mdm_setup_where(&where, &key, &s->name);

    return (mdm_exchange_seal(x, x->arena, &where, &json, NULL) == MDM_OK)
           ? mdm_api_setup_store(x, &s->name, &json) : MDM_ERROR;
}


static mdm_int_t
mdm_api_setup_args(mdm_exchange_t *x, mdm_api_setup_t *s)
{
    mdm_int_t   rc;
    mdm_uint_t  validate;

    validate = 1;

    rc = mdm_api_name(x, 0, MDM_API_SET, &s->name);

    if (rc == MDM_OK) {
        rc = mdm_api_arg_flag(x, "validate", &validate);
    }

    s->validate = validate ? x->settings->validate : MDM_VALIDATE_OFF;

    return (rc == MDM_OK) ? mdm_api_arg_flag(x, "warnings", &s->warnings) : rc;
}


/* MDM_OK; MDM_DONE: refused; MDM_ERROR */

static mdm_int_t
mdm_api_setup_check(mdm_exchange_t *x, mdm_api_setup_t *s, json_t *root)
{
    void        *next;
    json_t      *value;
    mdm_int_t    rc;
    const char  *name;

    if (!json_is_object(root)) {
        return mdm_exchange_refuse(x, 400, "a setup is a JSON object");
    }

    json_object_foreach_safe(root, next, name, value) {
        rc = mdm_api_setup_member(x, s, root, name, value);

        if (rc != MDM_OK) {
            return rc;
        }
    }

    return MDM_OK;
}


static mdm_int_t
mdm_api_setup_member(mdm_exchange_t *x, mdm_api_setup_t *s, json_t *root,
    const char *name, json_t *value)
{
    const char   *text;
    mdm_quote_t   quote;

    text = json_string_value(value);

    if (strcmp(name, "filter") == 0) {
        return mdm_api_setup_filter(x, value);
    }

    if (strcmp(name, "steps") == 0) {
        return mdm_api_setup_steps(x, s, value);
    }

    if (strcmp(name, "timeout") == 0) {
        return mdm_api_setup_timeout(x, root, value);
    }

    if (strcmp(name, "set") == 0) {

        return (text != NULL && *text != '\0'
                && json_string_length(value) <= MDM_API_SET)
               ? MDM_OK
               : mdm_exchange_refuse(x, 400, "set: a string of 1 to %d octets "
                                     "expected", MDM_API_SET);
    }

    if (strcmp(name, "hold") == 0) {

        return (text != NULL && (strcmp(text, "none") == 0
                                 || strcmp(text, "acknowledged") == 0))
               ? MDM_OK
               : mdm_exchange_refuse(x, 400, "hold: \"none\" or "
                                     "\"acknowledged\" expected");
    }

    return mdm_exchange_refuse(x, 400, "unknown member \"%s\"",
                               mdm_quote(&quote, name, strlen(name)));
}


static mdm_int_t
mdm_api_setup_filter(mdm_exchange_t *x, json_t *filter)
{
    size_t        i;
    json_t       *list, *one;
    const char   *key;
    mdm_quote_t   quote;

    if (!json_is_object(filter)) {
        return mdm_exchange_refuse(x, 400, "filter: an object expected");
    }

    json_object_foreach(filter, key, list) {

        if (strcmp(key, "type") != 0 && strcmp(key, "model") != 0
            && strcmp(key, "tag") != 0)
        {
            return mdm_exchange_refuse(x, 400, "filter: unknown member "
                                       "\"%s\"", mdm_quote(&quote, key,
                                                           strlen(key)));
        }

        if (!json_is_array(list) || json_array_size(list) == 0
            || json_array_size(list) > MDM_API_SETUP_LIST)
        {
            return mdm_exchange_refuse(x, 400, "filter.%s: an array of 1 to "
                                       "%d strings expected", key,
                                       MDM_API_SETUP_LIST);
        }

        json_array_foreach(list, i, one) {

            if (json_string_length(one) == 0
                || json_string_length(one) > MDM_API_SETUP_TEXT)
            {
                return mdm_exchange_refuse(x, 400, "filter.%s[%zu]: a string "
                                           "of 1 to %d octets expected", key,
                                           i, MDM_API_SETUP_TEXT);
            }
        }
    }

    return MDM_OK;
}


static mdm_int_t
mdm_api_setup_steps(mdm_exchange_t *x, mdm_api_setup_t *s, json_t *steps)
{
    size_t      i;
    json_t     *step;
    mdm_int_t   rc;

    if (!json_is_array(steps) || json_array_size(steps) > MDM_SETUP_STEPS) {
        return mdm_exchange_refuse(x, 400, "steps: an array of at most %d "
                                   "expected", MDM_SETUP_STEPS);
    }

    json_array_foreach(steps, i, step) {
        rc = mdm_api_setup_step(x, s, i, step);

        if (rc != MDM_OK) {
            return rc;
        }
    }

    return MDM_OK;
}


static mdm_int_t
mdm_api_setup_step(mdm_exchange_t *x, mdm_api_setup_t *s, size_t i,
    json_t *step)
{
    mdm_int_t              rc;
    mdm_str_t              body, text;
    mdm_uint_t             json;
    mdm_limits_t           limits;
    mdm_command_t          command;
    mdm_schema_warning_t  *w;

    static const mdm_str_t  none = mdm_null_string;

    limits.depth = x->settings->plist_depth;
    limits.nodes = x->settings->plist_nodes;

    json = 0;

    rc = (json_object_size(step) == 1)
         ? mdm_setup_body(x->arena, step, &none, &body, &json) : MDM_DECLINED;

    if (rc == MDM_DECLINED) {
        return mdm_exchange_refuse(x, 400, "steps[%zu]: an object with "
                                   "\"command\", or with \"command_plist\" in "
                                   "base64, expected", i);
    }

    if (rc == MDM_OK) {
        rc = mdm_command_read(x->arena, &body, json, s->validate, &limits,
                              &command);
    }

    if (rc == MDM_DECLINED) {
        return mdm_exchange_refuse(x, 400, "steps[%zu]: %.*s", i,
                                   mdm_fmt(&command.error));
    }

    if (rc != MDM_OK) {
        return rc;
    }

    /* each device gets one of its own */

    if (mdm_api_setup_uuid(x, step, &body, &limits)) {
        return mdm_exchange_refuse(x, 400, "steps[%zu]: CommandUUID is made "
                                   "for each device", i);
    }

    if (mdm_str_is(&command.request_type, "DeviceConfigured")
        || mdm_str_is(&command.request_type, "UserConfigured"))
    {
        return mdm_exchange_refuse(x, 400, "steps[%zu]: this command is made "
                                   "behind the others, see mdm_release", i);
    }

    for (w = command.schema.warnings; w != NULL; w = w->next) {

        if (mdm_printf(x->arena, &text, "steps[%lu]: %.*s", (unsigned long) i,
                       mdm_fmt(&w->text))
            != MDM_OK)
        {
            return MDM_ERROR;
        }

        mdm_json_str(&s->json, NULL, &text);
        s->nwarnings++;
    }

    return MDM_OK;
}


static mdm_uint_t
mdm_api_setup_uuid(mdm_exchange_t *x, const json_t *step,
    const mdm_str_t *body, const mdm_limits_t *limits)
{
    json_t      *command;
    plist_t      plist;
    mdm_str_t    uuid;
    const char  *why;

    command = json_object_get(step, "command");

    if (command != NULL) {
        return json_object_get(command, "CommandUUID") != NULL;
    }

    return mdm_plist_parse(x->arena, body, limits, &plist, &why) == MDM_OK
           && mdm_plist_string(plist, "CommandUUID", &uuid) == MDM_OK;
}


/* kept as seconds */

static mdm_int_t
mdm_api_setup_timeout(mdm_exchange_t *x, json_t *root, json_t *value)
{
    int64_t  seconds;

    if (mdm_api_seconds(value, MDM_SETUP_TIMEOUT_MAX, &seconds) != MDM_OK) {
        return mdm_exchange_refuse(x, 400, "timeout: a time from 1s to 1d "
                                   "expected, such as \"90s\", \"15m\" or "
                                   "\"1h\"");
    }

    return (json_object_set_new(root, "timeout", json_integer(seconds)) == 0)
           ? MDM_OK : mdm_arena_no_memory(x->arena);
}


static mdm_int_t
mdm_api_setup_store(mdm_exchange_t *x, const mdm_str_t *name,
    const mdm_str_t *json)
{
    mdm_str_t  key, *args;

    if (mdm_key_profiles(x->arena, &key, &x->tenant) != MDM_OK
        || mdm_exchange_calls(x, 1, MDM_API_SETUP_STORED) != MDM_CALL)
    {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_setup_put, &key, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_SETUP_PUT_NAME] = *name;
    args[MDM_ARG_SETUP_PUT_VALUE] = *json;

    return (mdm_api_number(x, &args[MDM_ARG_SETUP_PUT_MOST], MDM_SETUPS)
            == MDM_OK)
           ? MDM_CALL : MDM_ERROR;
}


/* if this fails, copies of workers are good for some seconds still */

static mdm_int_t
mdm_api_setup_changed(mdm_exchange_t *x)
{
    mdm_str_t  key;

    if (mdm_key_declarations(x->arena, &key, &x->tenant) != MDM_OK
        || mdm_printf(x->arena, &key, "%.*s:meta", mdm_fmt(&key)) != MDM_OK
        || mdm_exchange_calls(x, 1, MDM_API_SETUP_CHANGED) != MDM_CALL
        || mdm_exchange_call(x, 0, &mdm_script_setup_changed, &key, 0) == NULL)
    {
        return MDM_ERROR;
    }

    x->own_failures = 1;

    return MDM_CALL;
}


static mdm_int_t
mdm_api_setup_put_answer(mdm_exchange_t *x, mdm_api_setup_t *s)
{
    /* from now on somebody looks for what a crash has left */

    x->kick = MDM_SETUP_JOB;

    if (!s->warnings || s->nwarnings == 0) {
        return mdm_exchange_empty(x, 204);
    }

    mdm_json_close(&s->json, ']');
    mdm_json_close(&s->json, '}');

    return mdm_api_json_answer(&s->json, x, 200);
}
