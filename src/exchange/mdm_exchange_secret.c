
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Seals and opens the secrets of an exchange, and writes old ones anew.
 */


#include "mdm_exchange_secret.h"


/* room for the arguments of secret_swap.lua, or of status_report_swap.lua */

#define MDM_REWRITE_ARGS                                                      \
    ((int) MDM_NARGS_SECRET_SWAP > (int) MDM_NARGS_STATUS_REPORT_SWAP         \
     ? (int) MDM_NARGS_SECRET_SWAP : (int) MDM_NARGS_STATUS_REPORT_SWAP)


struct mdm_rewrite_s {
    const mdm_script_t       *script;
    mdm_str_t                 tag;
    mdm_str_t                 args[MDM_REWRITE_ARGS];
    size_t                    bytes;       /* of the value */
    mdm_rewrite_t            *next;
};


static void mdm_where_bind(mdm_secret_where_t *where, const mdm_str_t *tag,
    const char *kind);
static mdm_int_t mdm_exchange_unopened(mdm_exchange_t *x,
    const mdm_secret_where_t *where, const mdm_str_t *why);
static mdm_int_t mdm_exchange_foreign(mdm_exchange_t *x,
    const mdm_secret_where_t *where, mdm_str_t *value);
static mdm_int_t mdm_exchange_renew(mdm_exchange_t *x,
    const mdm_secret_where_t *where, const mdm_secret_place_t *place,
    const mdm_str_t *kept, const mdm_str_t *value, mdm_uint_t plain);
static mdm_int_t mdm_exchange_swap_args(mdm_exchange_t *x,
    const mdm_secret_where_t *where, const mdm_secret_place_t *place,
    const mdm_str_t *kept, const mdm_str_t *value, mdm_uint_t plain,
    mdm_str_t *args);
static mdm_int_t mdm_exchange_report_args(mdm_exchange_t *x,
    const mdm_secret_where_t *where, const mdm_str_t *kept,
    const mdm_str_t *value, mdm_str_t *args);
static mdm_int_t mdm_exchange_rewrite(mdm_exchange_t *x);
static mdm_int_t mdm_exchange_rewritten(mdm_exchange_t *x);


void
mdm_where_token(mdm_secret_where_t *where, const mdm_str_t *tag,
    const mdm_str_t *id, const char *field)
{
    memset(where, 0, sizeof(mdm_secret_where_t));

    where->tag = *tag;
    where->kind = ":u:";
    where->id = *id;
    where->field = field;
}


void
mdm_where_command(mdm_secret_where_t *where, const mdm_str_t *tag,
    const mdm_str_t *uuid)
{
    memset(where, 0, sizeof(mdm_secret_where_t));

    where->tag = *tag;
    where->kind = ":c:";
    where->id = *uuid;
    where->field = "body";
}


void
mdm_where_result(mdm_secret_where_t *where, const mdm_str_t *tag,
    const mdm_str_t *id, const mdm_str_t *uuid, mdm_uint_t compressed)
{
    memset(where, 0, sizeof(mdm_secret_where_t));

    where->tag = *tag;
    where->kind = ":r:";
    where->id = *id;
    where->uuid = *uuid;
    where->field = "body";

    /* field "z" says it too, but anybody with access to Redis can flip it */

    if (compressed) {
        mdm_str_set(&where->form, "z");
    }

    /* there is one without a CommandUUID, too: the colon is always there */

    if (where->uuid.data == NULL) {
        mdm_str_set(&where->uuid, "");
    }
}


/* a status report; the hash has a field for each, named by its digest */

void
mdm_where_status(mdm_secret_where_t *where, const mdm_str_t *tag,
    const mdm_str_t *id, const char *digest, mdm_uint_t compressed)
{
    memset(where, 0, sizeof(mdm_secret_where_t));

    where->tag = *tag;
    where->kind = ":sr:";
    where->id = *id;
    where->field = digest;

    if (compressed) {
        mdm_str_set(&where->form, "z");
    }
}


/* the key of a push certificate; "tag" is "mdm:{tenant/push}" */

void
mdm_where_push(mdm_secret_where_t *where, const mdm_str_t *tag,
    const mdm_str_t *topic)
{
    mdm_where_command(where, tag, topic);

    where->field = "key";
}


static void
mdm_where_bind(mdm_secret_where_t *where, const mdm_str_t *tag,
    const char *kind)
{
    memset(where, 0, sizeof(mdm_secret_where_t));

    where->tag = *tag;
    where->kind = kind;
    where->field = "bind";
}


void
mdm_where_challenge(mdm_secret_where_t *where, const mdm_str_t *tag)
{
    mdm_where_bind(where, tag, "");
}


void
mdm_where_challenge_listed(mdm_secret_where_t *where, const mdm_str_t *tag,
    const mdm_str_t *id)
{
    mdm_where_bind(where, tag, ":c:");

    where->id = *id;
}


void
mdm_where_link(mdm_secret_where_t *where, const mdm_str_t *tag)
{
    mdm_where_bind(where, tag, "");
}


void
mdm_where_link_listed(mdm_secret_where_t *where, const mdm_str_t *tag,
    const mdm_str_t *id)
{
    mdm_where_bind(where, tag, ":link:");

    where->id = *id;
}


void
mdm_where_certificate(mdm_secret_where_t *where, const mdm_str_t *tag)
{
    mdm_where_bind(where, tag, ":x");
}


/* an entry has no id yet: its value is bound to the one that it is about */

void
mdm_where_event(mdm_secret_where_t *where, const mdm_str_t *tag,
    const mdm_str_t *id)
{
    memset(where, 0, sizeof(mdm_secret_where_t));

    where->tag = *tag;
    where->kind = ":events";
    where->field = "raw";
    where->form = *id;
}


mdm_int_t
mdm_where_place(mdm_arena_t *arena, const mdm_secret_where_t *where,
    mdm_secret_place_t *place)
{
    if (mdm_printf(arena, &place->key, "%.*s%s%.*s%s%.*s",
                   mdm_fmt(&where->tag), where->kind, mdm_fmt(&where->id),
                   (where->uuid.data != NULL) ? ":" : "",
                   mdm_fmt(&where->uuid))
        != MDM_OK)
    {
        return MDM_ERROR;
    }

    return mdm_printf(arena, &place->field, "%s%s%.*s", where->field,
                      (where->form.len != 0) ? ":" : "",
                      mdm_fmt(&where->form));
}


mdm_int_t
mdm_exchange_seal(mdm_exchange_t *x, mdm_arena_t *arena,
    const mdm_secret_where_t *where, mdm_str_t *value, mdm_str_t *names)
{
    return mdm_where_seal(arena, mdm_exchange_secrets(x), where, value,
                          names);
}


mdm_int_t
mdm_where_seal(mdm_arena_t *arena, const mdm_secret_keys_t *keys,
    const mdm_secret_where_t *where, mdm_str_t *value, mdm_str_t *names)
{
    mdm_str_t           plain;
    mdm_secret_place_t  place;

    plain = *value;

    memset(&place, 0, sizeof(mdm_secret_place_t));

    /* useless without a key */

    if (keys != NULL && plain.len != 0
        && mdm_where_place(arena, where, &place) != MDM_OK)
    {
        return MDM_ERROR;
    }

    if (names != NULL
        && mdm_secret_names(arena, keys, &place, &plain, names) != MDM_OK)
    {
        return MDM_ERROR;
    }

    return mdm_secret_seal(arena, keys, &place, &plain, value);
}


mdm_int_t
mdm_exchange_open(mdm_exchange_t *x, const mdm_secret_where_t *where,
    mdm_str_t *value)
{
    mdm_int_t                 rc, under;
    mdm_str_t                 kept, why;
    mdm_secret_place_t        place;
    const mdm_secret_keys_t  *keys;

    keys = mdm_exchange_secrets(x);
    kept = *value;

    memset(&place, 0, sizeof(mdm_secret_place_t));

    if (keys != NULL && kept.len != 0
        && mdm_where_place(x->arena, where, &place) != MDM_OK)
    {
        return MDM_ERROR;
    }

    rc = mdm_secret_open(x->arena, keys, &place, &kept, value, &under, &why);

    if (rc == MDM_DECLINED) {
        return mdm_exchange_unopened(x, where, &why);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    if (x->settings->store->encryption_required
        && (under == MDM_SECRET_PLAIN
            || (under == MDM_SECRET_EMPTY && x->kind != MDM_KIND_API
                && strcmp(where->kind, ":c:") == 0)))
    {
        return mdm_exchange_foreign(x, where, value);
    }

    if (keys == NULL || under == 0 || under == MDM_SECRET_EMPTY) {
        return MDM_OK;
    }

    return mdm_exchange_renew(x, where, &place, &kept, value,
                              under == MDM_SECRET_PLAIN);
}


static mdm_int_t
mdm_exchange_unopened(mdm_exchange_t *x, const mdm_secret_where_t *where,
    const mdm_str_t *why)
{
    mdm_secret_place_t  place;

    if (mdm_where_place(x->arena, where, &place) != MDM_OK) {
        return MDM_ERROR;
    }

    if (x->kind == MDM_KIND_API) {
        return mdm_exchange_refuse(x, 500, "%s of %.*s in redis cannot be "
                                   "opened: %.*s", where->field,
                                   mdm_fmt(&place.key), mdm_fmt(why));
    }

    /* a device comes again: the value may be mended until then */

    mdm_exchange_log(x, MDM_LOG_ERROR, "%s of %.*s in redis cannot be "
                     "opened: %.*s", where->field, mdm_fmt(&place.key),
                     mdm_fmt(why));

    (void) mdm_exchange_unavailable(x);

    return mdm_exchange_refuse(x, 503, "a value in redis cannot be opened");
}


/* a plain value where all are sealed: we did not write it */

static mdm_int_t
mdm_exchange_foreign(mdm_exchange_t *x, const mdm_secret_where_t *where,
    mdm_str_t *value)
{
    mdm_secret_place_t  place;

    mdm_str_null(value);

    if (strcmp(where->kind, ":c:") == 0 && x->kind != MDM_KIND_API) {
        return MDM_DECLINED;
    }

    if (mdm_where_place(x->arena, where, &place) != MDM_OK) {
        return MDM_ERROR;
    }

    if (strcmp(where->kind, ":u:") == 0) {
        mdm_exchange_log(x, MDM_LOG_ALERT_RARE, "%s of %.*s in redis is not "
                         "encrypted, though \"encryption_required\" is on: "
                         "it is taken for absent", where->field,
                         mdm_fmt(&place.key));
        return MDM_OK;
    }

    return mdm_exchange_refuse(x, 500, "%s of %.*s in redis is not "
                               "encrypted, though \"encryption_required\" is "
                               "on: it is not shown", where->field,
                               mdm_fmt(&place.key));
}


static mdm_int_t
mdm_exchange_renew(mdm_exchange_t *x, const mdm_secret_where_t *where,
    const mdm_secret_place_t *place, const mdm_str_t *kept,
    const mdm_str_t *value, mdm_uint_t plain)
{
    size_t           bytes;
    mdm_uint_t       n;
    mdm_rewrite_t   *w, **last;

    n = 0;
    bytes = 0;

    for (last = &x->rewrites; *last != NULL; last = &(*last)->next) {
        bytes += (*last)->bytes;
        n++;
    }

    /* the rest is rewritten when it is read again */

    if (n == MDM_REWRITES || (n != 0 && bytes + value->len > MDM_REWRITE_BYTES))
    {
        return MDM_OK;
    }

    w = mdm_arena_zalloc(x->arena, sizeof(mdm_rewrite_t));
    if (w == NULL) {
        return MDM_ERROR;
    }

    w->tag = where->tag;
    w->bytes = value->len;
    w->script = &mdm_script_secret_swap;

    if (plain && strcmp(where->kind, ":sr:") == 0) {
        w->script = &mdm_script_status_report_swap;

        if (mdm_exchange_report_args(x, where, kept, value, w->args)
            != MDM_OK)
        {
            return MDM_ERROR;
        }

    } else if (mdm_exchange_swap_args(x, where, place, kept, value, plain,
                                      w->args)
               != MDM_OK)
    {
        return MDM_ERROR;
    }

    *last = w;

    x->behind = mdm_exchange_rewrite;

    return MDM_OK;
}


/*
 * Of secret_swap.  A plain value is no argument: it would stand in SLOWLOG.
 * That one of the same length takes its place meanwhile would need a host
 * without a key, which writes in the time of one call what mdm:meta refuses
 * it to write.
 */

static mdm_int_t
mdm_exchange_swap_args(mdm_exchange_t *x, const mdm_secret_where_t *where,
    const mdm_secret_place_t *place, const mdm_str_t *kept,
    const mdm_str_t *value, mdm_uint_t plain, mdm_str_t *args)
{
    args[MDM_ARG_SECRET_SWAP_REST].data = place->key.data + where->tag.len;
    args[MDM_ARG_SECRET_SWAP_REST].len = place->key.len - where->tag.len;
    args[MDM_ARG_SECRET_SWAP_FIELD].data = (u_char *) (uintptr_t) where->field;
    args[MDM_ARG_SECRET_SWAP_FIELD].len = strlen(where->field);

    if (!plain) {
        args[MDM_ARG_SECRET_SWAP_OLD] = *kept;

    } else if (mdm_printf(x->arena, &args[MDM_ARG_SECRET_SWAP_LENGTH], "%lu",
                          (unsigned long) kept->len)
               != MDM_OK)
    {
        return MDM_ERROR;
    }

    return mdm_secret_seal(x->arena, mdm_exchange_secrets(x), place, value,
                           &args[MDM_ARG_SECRET_SWAP_NEW]);
}


/*
 * Of status_report_swap.  Any name will do that is none of another report:
 * that nobody knows this one by its name costs one entry, if the device
 * repeats it.
 */

static mdm_int_t
mdm_exchange_report_args(mdm_exchange_t *x, const mdm_secret_where_t *where,
    const mdm_str_t *kept, const mdm_str_t *value, mdm_str_t *args)
{
    mdm_str_t          *name;
    mdm_secret_where_t  to;
    mdm_secret_place_t  place;

    if (mdm_secret_random(x->arena,
                          &args[MDM_ARG_STATUS_REPORT_SWAP_NEW_NAME])
        != MDM_OK
        || mdm_printf(x->arena, &args[MDM_ARG_STATUS_REPORT_SWAP_LENGTH],
                      "%lu", (unsigned long) kept->len)
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    args[MDM_ARG_STATUS_REPORT_SWAP_ID] = where->id;
    name = &args[MDM_ARG_STATUS_REPORT_SWAP_NAME];
    name->data = (u_char *) (uintptr_t) where->field;
    name->len = strlen(where->field);

    to = *where;
    to.field = (char *) args[MDM_ARG_STATUS_REPORT_SWAP_NEW_NAME].data;

    if (mdm_where_place(x->arena, &to, &place) != MDM_OK) {
        return MDM_ERROR;
    }

    return mdm_secret_seal(x->arena, mdm_exchange_secrets(x), &place, value,
                           &args[MDM_ARG_STATUS_REPORT_SWAP_NEW]);
}


mdm_int_t
mdm_exchange_swap(mdm_exchange_t *x, mdm_uint_t i,
    const mdm_secret_where_t *where, const mdm_str_t *kept)
{
    mdm_int_t            under;
    mdm_str_t            value, why, *args;
    mdm_secret_place_t   place;

    if (mdm_where_place(x->arena, where, &place) != MDM_OK
        || mdm_secret_open(x->arena, mdm_exchange_secrets(x), &place, kept,
                           &value, &under, &why)
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, i, &mdm_script_secret_swap, &where->tag,
                             0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    return mdm_exchange_swap_args(x, where, &place, kept, &value, 1, args);
}


/* the last round, once the response is there */

static mdm_int_t
mdm_exchange_rewrite(mdm_exchange_t *x)
{
    mdm_str_t      *args;
    mdm_uint_t      i, n;
    mdm_rewrite_t  *w, *first;

    if (x->state != 0) {
        return mdm_exchange_rewritten(x);
    }

    first = x->rewrites;
    x->rewrites = NULL;

    if (x->status >= 300) {
        return mdm_exchange_leave(x);
    }

    n = 0;

    for (w = first; w != NULL; w = w->next) {
        n++;
    }

    if (mdm_exchange_calls(x, n, 1) != MDM_CALL) {
        return MDM_ERROR;
    }

    i = 0;

    for (w = first; w != NULL; w = w->next) {
        args = mdm_exchange_call(x, i++, w->script, &w->tag, 0);
        if (args == NULL) {
            return MDM_ERROR;
        }

        memcpy(args, w->args, w->script->nargs * sizeof(mdm_str_t));
    }

    x->own_failures = 1;

    return MDM_CALL;
}


static mdm_int_t
mdm_exchange_rewritten(mdm_exchange_t *x)
{
    mdm_uint_t  i, failed;

    failed = 0;

    for (i = 0; i < x->ncalls; i++) {
        failed += (x->calls[i].rc == MDM_CALL_FAILED);
    }

    /* that redis is away is said elsewhere */

    if (failed != 0) {
        mdm_exchange_log(x, MDM_LOG_WARN, "values of an older key could not "
                         "be written back under the newest one");
    }

    return mdm_exchange_leave(x);
}
