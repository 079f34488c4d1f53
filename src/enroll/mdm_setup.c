
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Makes the commands of setups for a channel, and queues them.
 */


#include "mdm_command.h"
#include "mdm_ddm_body.h"
#include "mdm_key.h"
#include "mdm_message.h"
#include "mdm_number.h"
#include "mdm_setup.h"


/* of a command: UUID, RequestType, body, 1: it holds */
#define MDM_SETUP_ITEM        4


enum {
    MDM_SETUP_BEGIN = 0,
    MDM_SETUP_READ,
    MDM_SETUP_STARTED
};


static mdm_int_t mdm_setup_begin(mdm_exchange_t *x, mdm_setup_t *s);
static mdm_int_t mdm_setup_wait(mdm_arena_t *arena, void *data);
static mdm_int_t mdm_setup_read(mdm_exchange_t *x, mdm_setup_t *s);
static mdm_int_t mdm_setup_build(mdm_exchange_t *x, mdm_setup_t *s);
static mdm_uint_t mdm_setup_unopened(mdm_exchange_t *x, mdm_setup_t *s,
    const mdm_str_t *name);
static mdm_int_t mdm_setup_one(mdm_exchange_t *x, mdm_setup_t *s,
    const mdm_str_t *name, const mdm_str_t *value);
static mdm_uint_t mdm_setup_fits(mdm_exchange_t *x, const mdm_setup_t *s,
    const json_t *filter);
static mdm_uint_t mdm_setup_list(const json_t *list, const mdm_str_t *value);
static mdm_uint_t mdm_setup_is_device(const mdm_str_t *type);
static mdm_int_t mdm_setup_take(mdm_exchange_t *x, mdm_setup_t *s,
    const mdm_str_t *name, const json_t *setup);
static mdm_int_t mdm_setup_step(mdm_exchange_t *x, mdm_setup_t *s,
    const mdm_str_t *name, const json_t *step);
static mdm_int_t mdm_setup_command(mdm_exchange_t *x, const mdm_setup_t *s,
    mdm_command_t *command, mdm_str_t *item);
static mdm_uint_t mdm_setup_releases(const mdm_setup_t *s,
    mdm_uint_t *awaiting);
static mdm_int_t mdm_setup_start(mdm_exchange_t *x, mdm_setup_t *s);
static mdm_int_t mdm_setup_done(mdm_exchange_t *x, mdm_setup_t *s,
    mdm_str_t *args);
static mdm_int_t mdm_setup_started(mdm_exchange_t *x, mdm_setup_t *s);


static const mdm_str_t  mdm_setup_releases_names[] = {
    mdm_string("setup"), mdm_string("always"), mdm_string("off")
};


mdm_str_t
mdm_setup_release_name(mdm_uint_t release)
{
    return mdm_setup_releases_names[release];
}


void
mdm_setup_where(mdm_secret_where_t *where, const mdm_str_t *tag,
    const mdm_str_t *name)
{
    mdm_where_command(where, tag, name);

    where->kind = ":s:";
}


mdm_int_t
mdm_setup_run(mdm_exchange_t *x)
{
    switch (x->state) {

    case MDM_SETUP_BEGIN:
        return mdm_setup_begin(x, x->ctx);

    case MDM_SETUP_READ:
        return mdm_setup_read(x, x->ctx);

    default: /* MDM_SETUP_STARTED */
        return mdm_setup_started(x, x->ctx);
    }
}


static mdm_int_t
mdm_setup_begin(mdm_exchange_t *x, mdm_setup_t *s)
{
    mdm_int_t   rc;
    mdm_str_t  *args;

    if (mdm_key_profiles(x->arena, &s->key, &x->tenant) != MDM_OK) {
        return MDM_ERROR;
    }

    if (s->facts != NULL) {
        rc = mdm_setup_copy_get(x, s->changes, &s->copy);

        if (rc == MDM_OK && s->copy.len <= MDM_EXCHANGE_LARGE) {
            return mdm_setup_build(x, s);
        }

        if (rc == MDM_OK) {

            /* a thread is to build them, as if they had just been read */

            rc = mdm_exchange_work_alone(x, MDM_SETUP_READ, mdm_setup_wait, s);

            x->own_failures = 1;
            x->heavy = 1;
        }

        if (rc != MDM_DECLINED) {
            return rc;
        }
    }

    if (mdm_exchange_calls(x, 1 + (s->facts == NULL), MDM_SETUP_READ)
        != MDM_CALL
        || mdm_exchange_call(x, 0, &mdm_script_setup_list, &s->key, 0)
           == NULL)
    {
        return MDM_ERROR;
    }

    x->own_failures = 1;

    if (s->facts != NULL) {
        return MDM_CALL;
    }

    args = mdm_exchange_call(x, 1, &mdm_script_setup_facts, &s->tag, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_SETUP_FACTS_ID] = s->id;
    args[MDM_ARG_SETUP_FACTS_DEVICE] = s->device;

    return MDM_CALL;
}


static mdm_int_t
mdm_setup_wait(mdm_arena_t *arena, void *data)
{
    (void) arena;
    (void) data;

    return MDM_OK;
}


static mdm_int_t
mdm_setup_read(mdm_exchange_t *x, mdm_setup_t *s)
{
    mdm_uint_t  i;

    for (i = 0; i < x->ncalls; i++) {

        if (x->calls[i].rc != MDM_CALL_OK) {
            return mdm_exchange_leave(x);
        }
    }

    if (s->facts == NULL) {
        s->facts = x->calls[1].reply;
    }

    if (x->calls[0].kind == MDM_CALL_KIND_REDIS
        && mdm_setup_copy_put(x, s->changes, x->calls[0].reply, &s->copy)
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    return mdm_setup_build(x, s);
}


static mdm_int_t
mdm_setup_build(mdm_exchange_t *x, mdm_setup_t *s)
{
    mdm_int_t  rc;
    mdm_str_t  state, name, value;

    state = mdm_reply_str(s->facts, MDM_RET_SETUP_FACTS_STATE);

    s->lost = mdm_str_is(&state, "lost");

    if (!s->lost && !mdm_str_is(&state, "owed")) {

        /* somebody has begun it, who may have ended before the rest */

        s->done = 1;
        s->given = mdm_str_is(&state, "follow");

        return mdm_exchange_leave(x);
    }

    /* sets come first, then commands */

    s->items = mdm_arena_alloc(x->arena,
                               (MDM_SETUPS
                                + MDM_SETUP_ITEM * MDM_SETUP_COMMANDS)
                               * sizeof(mdm_str_t));

    if (s->items == NULL) {
        return MDM_ERROR;
    }

    mdm_json_init(&s->names, x->arena, 256);
    mdm_json_open(&s->names, NULL, '[');

    while (!s->lost && mdm_setup_copy_next(&s->copy, &name, &value)) {
        rc = mdm_setup_one(x, s, &name, &value);

        if (rc == MDM_DONE) {

            if (mdm_setup_unopened(x, s, &name)) {
                continue;
            }

            return mdm_exchange_leave(x);
        }

        if (rc != MDM_OK) {
            return rc;
        }
    }

    return mdm_setup_start(x, s);
}


/*
 * The key may come back, and until then it stays owed.  But nobody is kept in
 * Setup Assistant by it: 1: the others are done.
 */

static mdm_uint_t
mdm_setup_unopened(mdm_exchange_t *x, mdm_setup_t *s, const mdm_str_t *name)
{
    mdm_uint_t  awaiting;

    awaiting = mdm_reply_int(s->facts, MDM_RET_SETUP_FACTS_AWAITING, 0) == 1;

    mdm_exchange_log(x, MDM_LOG_ERROR, "the setup \"%.*s\" is left %s for "
                     "\"%.*s\": %.*s", mdm_fmt(name),
                     awaiting ? "out" : "for later", mdm_fmt(&s->id),
                     mdm_fmt(&x->error));

    mdm_str_null(&x->error);
    x->retry_after = 0;

    s->nsetups += awaiting;

    return awaiting;
}


/* MDM_OK; MDM_DONE: it cannot be opened; MDM_ERROR */

static mdm_int_t
mdm_setup_one(mdm_exchange_t *x, mdm_setup_t *s, const mdm_str_t *name,
    const mdm_str_t *value)
{
    json_t              *root;
    mdm_int_t            rc;
    mdm_str_t            text;
    json_error_t         error;
    mdm_secret_where_t   where;

    root = NULL;
    text = *value;

    mdm_setup_where(&where, &s->key, name);

    rc = mdm_exchange_open(x, &where, &text);
    if (rc == MDM_DONE || rc == MDM_ERROR) {
        return rc;
    }

    rc = (rc == MDM_OK) ? mdm_json_read(x->arena, &text, 0, &root, &error)
                        : MDM_DECLINED;

    if (rc == MDM_ERROR) {
        return MDM_ERROR;
    }

    if (rc != MDM_OK || !json_is_object(root)) {
        mdm_exchange_log(x, MDM_LOG_ERROR, "the setup \"%.*s\" in redis "
                         "cannot be read", mdm_fmt(name));
        return MDM_OK;
    }

    return mdm_setup_fits(x, s, json_object_get(root, "filter"))
           ? mdm_setup_take(x, s, name, root) : MDM_OK;
}


/* without a list of types it is for devices, not for users */

static mdm_uint_t
mdm_setup_fits(mdm_exchange_t *x, const mdm_setup_t *s, const json_t *filter)
{
    size_t         i;
    json_t        *list;
    mdm_str_t      type, model, product, tag;
    mdm_uint_t     fits;

    type = mdm_reply_str(s->facts, MDM_RET_SETUP_FACTS_TYPE);
    model = mdm_reply_str(s->facts, MDM_RET_SETUP_FACTS_MODEL);
    product = mdm_reply_str(s->facts, MDM_RET_SETUP_FACTS_PRODUCT);

    list = json_object_get(filter, "type");

    if ((list == NULL) ? !mdm_setup_is_device(&type)
                       : !mdm_setup_list(list, &type))
    {
        return 0;
    }

    list = json_object_get(filter, "model");

    if (list != NULL && !mdm_setup_list(list, &model)
        && !mdm_setup_list(list, &product))
    {
        return 0;
    }

    list = json_object_get(filter, "tag");

    if (list == NULL) {
        return 1;
    }

    fits = 0;

    for (i = MDM_RET_SETUP_FACTS_TAGS;
         !fits && i < mdm_reply_size(s->facts);
         i++)
    {
        tag = mdm_reply_str(s->facts, i);

        fits = (mdm_unescape(x->arena, &tag, &tag) == MDM_OK
                && mdm_setup_list(list, &tag));
    }

    return fits;
}


static mdm_uint_t
mdm_setup_is_device(const mdm_str_t *type)
{
    mdm_str_t  device, enrollment;

    device = mdm_type_name(MDM_TYPE_DEVICE);
    enrollment = mdm_type_name(MDM_TYPE_USER_ENROLLMENT_DEVICE);

    return mdm_str_eq(type, &device) || mdm_str_eq(type, &enrollment);
}


/* one of the strings, of which each may end in "*" */

static mdm_uint_t
mdm_setup_list(const json_t *list, const mdm_str_t *value)
{
    size_t       i, len;
    json_t      *one;
    const char  *text;

    json_array_foreach(list, i, one) {
        text = json_string_value(one);
        len = json_string_length(one);

        if (text == NULL || len == 0) {
            continue;
        }

        if (text[len - 1] == '*') {

            if (value->len >= len - 1
                && (len == 1 || memcmp(value->data, text, len - 1) == 0))
            {
                return 1;
            }

        } else if (value->len == len && memcmp(value->data, text, len) == 0) {
            return 1;
        }
    }

    return 0;
}


static mdm_int_t
mdm_setup_take(mdm_exchange_t *x, mdm_setup_t *s, const mdm_str_t *name,
    const json_t *setup)
{
    size_t       i;
    json_t      *one, *steps;
    int64_t      timeout;
    mdm_str_t    set;
    const char  *hold;

    mdm_json_id(&s->names, NULL, name);
    s->nsetups++;

    hold = json_string_value(json_object_get(setup, "hold"));

    if (hold != NULL && strcmp(hold, "acknowledged") == 0) {
        s->hold = 1;
    }

    one = json_object_get(setup, "timeout");
    timeout = json_is_integer(one) ? json_integer_value(one)
                                   : MDM_SETUP_TIMEOUT;

    if (timeout > s->timeout) {
        s->timeout = timeout;
    }

    one = json_object_get(setup, "set");

    if (json_is_string(one)) {
        set.data = (u_char *) (uintptr_t) json_string_value(one);
        set.len = json_string_length(one);

        /* in front of the commands */

        memmove(&s->items[s->nsets + 1], &s->items[s->nsets],
                (s->nitems - s->nsets) * sizeof(mdm_str_t));

        if (mdm_escape(x->arena, &s->items[s->nsets], &set, "") != MDM_OK) {
            return MDM_ERROR;
        }

        s->nsets++;
        s->nitems++;
    }

    steps = json_object_get(setup, "steps");

    json_array_foreach(steps, i, one) {

        if (s->nsteps == MDM_SETUP_COMMANDS) {
            mdm_exchange_log(x, MDM_LOG_ERROR, "setups have more than %d "
                             "commands for \"%.*s\": it gets so many",
                             MDM_SETUP_COMMANDS, mdm_fmt(&s->id));
            break;
        }

        if (mdm_setup_step(x, s, name, one) != MDM_OK) {
            return MDM_ERROR;
        }
    }

    return MDM_OK;
}


/* one that cannot be made must not keep a device from the others */

static mdm_int_t
mdm_setup_step(mdm_exchange_t *x, mdm_setup_t *s, const mdm_str_t *name,
    const json_t *step)
{
    mdm_int_t       rc;
    mdm_str_t       vars, body, *item;
    mdm_uint_t      json;
    mdm_limits_t    limits;
    mdm_command_t   command;

    limits.depth = x->settings->plist_depth;
    limits.nodes = x->settings->plist_nodes;

    vars = mdm_reply_str(s->facts, MDM_RET_SETUP_FACTS_VARIABLES);

    rc = mdm_setup_body(x->arena, step, &vars, &body, &json);

    if (rc == MDM_OK) {
        rc = mdm_command_read(x->arena, &body, json, MDM_VALIDATE_OFF,
                              &limits, &command);
    }

    if (rc == MDM_DECLINED) {
        mdm_exchange_log(x, MDM_LOG_ERROR, "a command of the setup \"%.*s\" "
                         "is none for \"%.*s\", it is left out",
                         mdm_fmt(name), mdm_fmt(&s->id));
        return MDM_OK;
    }

    if (rc != MDM_OK) {
        return rc;
    }

    item = &s->items[s->nitems];

    if (mdm_setup_command(x, s, &command, item) != MDM_OK) {
        return MDM_ERROR;
    }

    /* in Setup Assistant this one may never be answered */

    mdm_str_set(&item[3], "1");

    if (mdm_str_is(&command.request_type, "DeclarativeManagement")) {
        mdm_str_set(&item[3], "0");
    }

    s->nitems += MDM_SETUP_ITEM;
    s->nsteps++;

    return MDM_OK;
}


/* UUID, RequestType and body as a script takes them */

static mdm_int_t
mdm_setup_command(mdm_exchange_t *x, const mdm_setup_t *s,
    mdm_command_t *command, mdm_str_t *item)
{
    mdm_secret_where_t  where;

    if (mdm_key_uuid(x->arena, &item[0], &command->uuid) != MDM_OK) {
        return MDM_ERROR;
    }

    item[1] = command->request_type;
    item[2] = command->body;

    mdm_where_command(&where, &s->tag, &item[0]);

    return mdm_exchange_seal(x, x->arena, &where, &item[2], NULL);
}


mdm_int_t
mdm_setup_body(mdm_arena_t *arena, const json_t *step, const mdm_str_t *vars,
    mdm_str_t *body, mdm_uint_t *json)
{
    json_t     *value;
    mdm_str_t   text;

    value = json_object_get(step, "command_plist");

    if (value != NULL) {
        *json = 0;

        text.data = (u_char *) (uintptr_t) json_string_value(value);
        text.len = json_string_length(value);

        return (text.data != NULL) ? mdm_unbase64(arena, body, &text)
                                   : MDM_DECLINED;
    }

    value = json_object_get(step, "command");

    if (!json_is_object(value)) {
        return MDM_DECLINED;
    }

    *json = 1;

    if (mdm_json_dump(arena, value, 0, body) != MDM_OK) {
        return MDM_ERROR;
    }

    return (vars->len != 0) ? mdm_ddm_substitute(arena, body, body, vars)
                            : MDM_OK;
}


static mdm_uint_t
mdm_setup_releases(const mdm_setup_t *s, mdm_uint_t *awaiting)
{
    mdm_str_t  release;

    *awaiting = mdm_reply_int(s->facts, MDM_RET_SETUP_FACTS_AWAITING, 0) == 1;
    release = mdm_reply_str(s->facts, MDM_RET_SETUP_FACTS_RELEASE);

    return *awaiting
           && (s->lost || mdm_str_is(&release, "always")
               || (mdm_str_is(&release, "setup") && s->nsetups != 0));
}


static mdm_int_t
mdm_setup_start(mdm_exchange_t *x, mdm_setup_t *s)
{
    mdm_str_t   *args;
    mdm_uint_t   releases, awaiting;

    releases = mdm_setup_releases(s, &awaiting);

    if (awaiting && !releases) {
        mdm_exchange_log(x, MDM_LOG_WARN, "\"%.*s\" waits in Setup Assistant "
                         "until somebody lets it out: no setup does, see "
                         "mdm_release", mdm_fmt(&s->id));
    }

    if (s->timeout == 0) {
        s->timeout = MDM_SETUP_TIMEOUT;
    }

    if (mdm_exchange_calls(x, 1 + releases, MDM_SETUP_STARTED) != MDM_CALL
        || (releases
            && mdm_job_kick_call(x, 1, MDM_SETUP_JOB,
                                 (mdm_uint_t) s->timeout + 1)
               != MDM_OK))
    {
        return MDM_ERROR;
    }

    x->own_failures = 1;

    args = mdm_exchange_call(x, 0, &mdm_script_setup_start, &s->tag,
                             s->nitems);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_SETUP_START_ID] = s->id;

    mdm_json_close(&s->names, ']');

    if (mdm_json_end(&s->names, &args[MDM_ARG_SETUP_START_NAMES]) != MDM_OK) {
        return MDM_ERROR;
    }

    mdm_str_set(&args[MDM_ARG_SETUP_START_HOLD], "0");

    if (s->hold) {
        mdm_str_set(&args[MDM_ARG_SETUP_START_HOLD], "1");
    }

    if (mdm_itoa(x->arena, &args[MDM_ARG_SETUP_START_SECONDS], s->timeout)
        != MDM_OK
        || mdm_itoa(x->arena, &args[MDM_ARG_SETUP_START_NSETS],
                    (int64_t) s->nsets)
           != MDM_OK
        || mdm_itoa(x->arena, &args[MDM_ARG_SETUP_START_NSTEPS],
                    (int64_t) s->nsteps)
           != MDM_OK
        || (releases && mdm_setup_done(x, s, args) != MDM_OK))
    {
        return MDM_ERROR;
    }

    memcpy(&args[MDM_ARG_SETUP_START_ITEMS], s->items,
           s->nitems * sizeof(mdm_str_t));

    return MDM_CALL;
}


/* the command that lets a channel out of Setup Assistant */

static mdm_int_t
mdm_setup_done(mdm_exchange_t *x, mdm_setup_t *s, mdm_str_t *args)
{
    mdm_str_t      json, item[MDM_SETUP_ITEM];
    mdm_limits_t   limits;
    mdm_command_t  command;

    limits.depth = x->settings->plist_depth;
    limits.nodes = x->settings->plist_nodes;

    mdm_str_set(&json, "{\"RequestType\":\"DeviceConfigured\"}");

    if (!mdm_str_eq(&s->id, &s->device)) {
        mdm_str_set(&json, "{\"RequestType\":\"UserConfigured\"}");
    }

    if (mdm_command_read(x->arena, &json, 1, MDM_VALIDATE_OFF, &limits,
                         &command)
        != MDM_OK
        || mdm_setup_command(x, s, &command, item) != MDM_OK)
    {
        return MDM_ERROR;
    }

    args[MDM_ARG_SETUP_START_DONE] = item[0];
    args[MDM_ARG_SETUP_START_RELEASE] = item[1];
    args[MDM_ARG_SETUP_START_BODY] = item[2];

    return MDM_OK;
}


static mdm_int_t
mdm_setup_started(mdm_exchange_t *x, mdm_setup_t *s)
{
    const mdm_reply_t  *reply;

    if (x->calls[0].rc != MDM_CALL_OK) {

        /* it may have run: declarations are computed again at worst */

        s->given = s->nsets;

        return mdm_exchange_leave(x);
    }

    reply = x->calls[0].reply;

    s->done = 1;
    s->owed = mdm_reply_int(reply, MDM_RET_SETUP_START_OWED, 0) == 1;
    s->given = (mdm_uint_t) mdm_reply_count(reply, MDM_RET_SETUP_START_SETS,
                                            MDM_SETUPS);

    return mdm_exchange_leave(x);
}
