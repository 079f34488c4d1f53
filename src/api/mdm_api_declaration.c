
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * /v1/declarations
 */


#include "mdm_api.h"
#include "mdm_api_ddm.h"
#include "mdm_ddm_declaration.h"
#include "mdm_ddm_rollout.h"


/* of a PUT, between its rounds */

typedef struct {
    mdm_schema_result_t       schema;
    mdm_str_t                 id;          /* key form */
    mdm_ddm_references_t      references;
    mdm_ddm_references_t      variables;
    mdm_uint_t                warnings;    /* 1: are asked for */
} mdm_api_put_t;


static mdm_int_t mdm_api_declaration_put_call(mdm_exchange_t *x);
static mdm_int_t mdm_api_declaration_put_answer(mdm_exchange_t *x);
static mdm_int_t mdm_api_declaration_problems(mdm_exchange_t *x,
    mdm_api_put_t *put);
static mdm_int_t mdm_api_declaration_put_done(mdm_exchange_t *x,
    mdm_api_put_t *put);
static mdm_int_t mdm_api_declaration_answer(mdm_exchange_t *x);


mdm_int_t
mdm_api_declaration_list_step(mdm_exchange_t *x)
{
    return mdm_api_ddm_list(x, "declarations", 0);
}


mdm_int_t
mdm_api_declaration_put_step(mdm_exchange_t *x)
{
    return (x->state == 0) ? mdm_api_declaration_put_call(x)
                           : mdm_api_declaration_put_answer(x);
}


static mdm_int_t
mdm_api_declaration_put_call(mdm_exchange_t *x)
{
    mdm_int_t               rc;
    mdm_str_t              *args;
    mdm_uint_t              validate, refs;
    mdm_api_put_t          *put;
    mdm_limits_t      limits;
    mdm_ddm_declaration_t   d;

    put = mdm_arena_zalloc(x->arena, sizeof(mdm_api_put_t));
    if (put == NULL) {
        return MDM_ERROR;
    }

    x->ctx = put;

    validate = x->settings->validate;
    refs = (validate != MDM_VALIDATE_OFF);

    rc = mdm_api_arg_flag(x, "validate", &refs);

    if (rc == MDM_OK) {
        rc = mdm_api_arg_flag(x, "warnings", &put->warnings);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    if (!refs) {
        validate = MDM_VALIDATE_OFF;

    } else if (validate == MDM_VALIDATE_OFF) {
        validate = MDM_VALIDATE_WARN;
    }

    limits.depth = x->settings->plist_depth;
    limits.nodes = x->settings->plist_nodes;

    rc = mdm_ddm_declaration_read(x->arena, &x->body, &limits, validate, &d);

    if (rc == MDM_DECLINED) {
        return mdm_exchange_refuse(x, 400, "%.*s", mdm_fmt(&d.error));
    }

    if (rc != MDM_OK) {
        return MDM_ERROR;
    }

    put->schema = d.schema;
    put->id = d.key;
    put->references = d.references;
    put->variables = d.variables;

    rc = mdm_api_change(x, &mdm_script_ddm_declaration_put, &args);
    if (rc != MDM_OK) {
        return rc;
    }

    args[MDM_ARG_DDM_DECLARATION_PUT_ID] = d.key;
    args[MDM_ARG_DDM_DECLARATION_PUT_KIND] = d.kind;
    args[MDM_ARG_DDM_DECLARATION_PUT_NAME] = d.type;
    args[MDM_ARG_DDM_DECLARATION_PUT_PAYLOAD] = d.payload;
    args[MDM_ARG_DDM_DECLARATION_PUT_VARS] = d.vars;
    args[MDM_ARG_DDM_DECLARATION_PUT_REFS] = d.refs;
    args[MDM_ARG_DDM_DECLARATION_PUT_WANTS] = d.wants;
    args[MDM_ARG_DDM_DECLARATION_PUT_UNKNOWN] = d.unknown;

    if (validate == MDM_VALIDATE_STRICT) {
        mdm_str_set(&args[MDM_ARG_DDM_DECLARATION_PUT_CHECK], "2");

    } else {
        args[MDM_ARG_DDM_DECLARATION_PUT_CHECK] = mdm_api_flag(refs);
    }

    return (mdm_api_number(x, &args[MDM_ARG_DDM_DECLARATION_PUT_MOST],
                           MDM_DDM_MOST)
            == MDM_OK
            && mdm_api_number(x, &args[MDM_ARG_DDM_DECLARATION_PUT_MOST_VARS],
                              MDM_DDM_VARIABLES)
               == MDM_OK)
           ? MDM_CALL : MDM_ERROR;
}


static mdm_int_t
mdm_api_declaration_put_answer(mdm_exchange_t *x)
{
    mdm_int_t           rc;
    mdm_str_t           needs;
    mdm_quote_t         quote;
    mdm_api_put_t      *put;
    const mdm_reply_t  *reply;

    put = x->ctx;
    reply = x->calls[0].reply;

    /* a set, or a declaration */

    needs = mdm_reply_str(reply, MDM_RET_DDM_DECLARATION_PUT_PROBLEMS);

    switch (mdm_reply_code(reply, 0)) {

    case -2:
        return mdm_exchange_refuse(x, 409, "there are %d declarations "
                                   "already, the most that a tenant has",
                                   MDM_DDM_MOST);

    case -4:
        return mdm_exchange_refuse(x, 409, "Type: the declaration is in the "
                                   "set \"%s\", and cannot become one of "
                                   "another kind",
                                   mdm_api_shown(x, &needs, &quote));

    case -5:
        return mdm_exchange_refuse(x, 409, "Type: the declaration \"%s\" "
                                   "refers to it, and it cannot become one "
                                   "of another kind",
                                   mdm_api_shown(x, &needs, &quote));

    default:
        break;
    }

    rc = mdm_api_declaration_problems(x, put);

    return (rc == MDM_OK) ? mdm_api_declaration_put_done(x, put) : rc;
}


/* what the script has not found as it should be: warnings, or a refusal */

static mdm_int_t
mdm_api_declaration_problems(mdm_exchange_t *x, mdm_api_put_t *put)
{
    size_t                i, n;
    mdm_str_t             type, text;
    const mdm_reply_t    *reply;
    mdm_ddm_reference_t  *ref;

    reply = x->calls[0].reply;

    for (i = MDM_RET_DDM_DECLARATION_PUT_PROBLEMS;
         mdm_reply_row(reply, i, MDM_NRET_DDM_DECLARATION_PUT_PROBLEMS);
         i += MDM_NRET_DDM_DECLARATION_PUT_PROBLEMS)
    {
        n = (size_t) mdm_reply_int(reply,
                         i + MDM_RET_DDM_DECLARATION_PUT_PROBLEMS_AT, -1);
        type = mdm_reply_str(reply,
                         i + MDM_RET_DDM_DECLARATION_PUT_PROBLEMS_TYPE);

        if (n < put->references.n) {
            ref = &put->references.list[n];

        } else if (n - put->references.n < put->variables.n) {
            ref = &put->variables.list[n - put->references.n];

        } else {
            continue;
        }

        if (mdm_ddm_reference_wrong(x->arena, &text, ref, &type) != MDM_OK) {
            return MDM_ERROR;
        }

        if (mdm_reply_code(reply, 0) == -1) {
            return mdm_exchange_refuse(x, 400, "%.*s", mdm_fmt(&text));
        }

        if (mdm_schema_warn(x->arena, &put->schema, &text) != MDM_OK) {
            return MDM_ERROR;
        }
    }

    return MDM_OK;
}


static mdm_int_t
mdm_api_declaration_put_done(mdm_exchange_t *x, mdm_api_put_t *put)
{
    mdm_uint_t             changed;
    mdm_quote_t            quote;
    mdm_json_out_t         j;
    mdm_schema_warning_t  *w;

    changed = (mdm_reply_code(x->calls[0].reply, 0) == 1);

    for (w = put->schema.warnings; w != NULL; w = w->next) {
        mdm_exchange_log(x, MDM_LOG_NOTICE, "declaration \"%s\": %.*s",
                         mdm_api_shown(x, &put->id, &quote),
                         mdm_fmt(&w->text));
    }

    if (!put->warnings) {
        return mdm_api_changed(x, changed);
    }

    x->kick = changed ? MDM_DDM_ROLLOUT : NULL;

    mdm_json_init(&j, x->arena, 256);
    mdm_json_open(&j, NULL, '{');
    mdm_json_bool(&j, "changed", changed);
    mdm_json_open(&j, "warnings", '[');

    for (w = put->schema.warnings; w != NULL; w = w->next) {
        mdm_json_str(&j, NULL, &w->text);
    }

    mdm_json_close(&j, ']');
    mdm_json_close(&j, '}');

    return mdm_api_json_answer(&j, x, 200);
}


mdm_int_t
mdm_api_declaration_get_step(mdm_exchange_t *x)
{
    mdm_int_t   rc;
    mdm_str_t   id, *args;

    if (x->state != 0) {
        return mdm_api_declaration_answer(x);
    }

    args = NULL;

    rc = mdm_api_name(x, 0, MDM_DDM_ID, &id);

    if (rc == MDM_OK) {
        rc = mdm_api_ddm_read(x, &mdm_script_ddm_declaration_get, &args);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    args[MDM_ARG_DDM_DECLARATION_GET_ID] = id;

    return MDM_CALL;
}


static mdm_int_t
mdm_api_declaration_answer(mdm_exchange_t *x)
{
    mdm_int_t           rc;
    mdm_str_t           id, type, payload, token;
    mdm_json_out_t      j;
    const mdm_reply_t  *reply;

    reply = x->calls[0].reply;

    if (mdm_reply_code(reply, 0) != 1) {
        return mdm_exchange_refuse(x, 404, "there is no such declaration");
    }

    rc = mdm_api_name(x, 0, MDM_DDM_ID, &id);
    if (rc != MDM_OK) {
        return rc;
    }

    type = mdm_reply_str(reply, MDM_RET_DDM_DECLARATION_GET_TYPE);
    payload = mdm_reply_str(reply, MDM_RET_DDM_DECLARATION_GET_PAYLOAD);
    token = mdm_reply_str(reply, MDM_RET_DDM_DECLARATION_GET_TOKEN);

    mdm_json_init(&j, x->arena, 256);
    mdm_json_open(&j, NULL, '{');
    mdm_json_id(&j, "Identifier", &id);
    mdm_json_str(&j, "Type", &type);
    mdm_json_str(&j, "ServerToken", &token);
    mdm_json_value(&j, "Payload", &payload);
    mdm_json_close(&j, '}');

    return mdm_api_json_answer(&j, x, 200);
}


mdm_int_t
mdm_api_declaration_delete_step(mdm_exchange_t *x)
{
    mdm_int_t            rc;
    mdm_str_t            name, *args;
    const mdm_reply_t   *reply;
    mdm_quote_t   quote;

    if (x->state != 0) {
        reply = x->calls[0].reply;
        name = mdm_reply_str(reply, MDM_RET_DDM_DECLARATION_DELETE_ID);

        switch (mdm_reply_code(reply, 0)) {

        case -1:
            return mdm_api_changed(x, 0);

        case -2:
            return mdm_exchange_refuse(x, 409, "the declaration is in the set "
                                       "\"%s\"",
                                       mdm_api_shown(x, &name, &quote));

        case -3:
            return mdm_exchange_refuse(x, 409, "the declaration \"%s\" "
                                       "refers to it",
                                       mdm_api_shown(x, &name, &quote));

        default:
            return mdm_api_changed(x, 1);
        }
    }

    args = NULL;

    rc = mdm_api_name(x, 0, MDM_DDM_ID, &name);

    if (rc == MDM_OK) {
        rc = mdm_api_change(x, &mdm_script_ddm_declaration_delete, &args);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    args[MDM_ARG_DDM_DECLARATION_DELETE_ID] = name;

    return MDM_CALL;
}


mdm_int_t
mdm_api_declaration_touch_step(mdm_exchange_t *x)
{
    mdm_int_t   rc;
    mdm_str_t   id, *args;

    if (x->state != 0) {

        if (mdm_reply_code(x->calls[0].reply, 0) != 1) {
            return mdm_exchange_refuse(x, 404, "there is no such "
                                       "declaration");
        }

        return mdm_api_changed(x, 1);
    }

    args = NULL;

    rc = mdm_api_name(x, 0, MDM_DDM_ID, &id);

    if (rc == MDM_OK) {
        rc = mdm_api_change(x, &mdm_script_ddm_declaration_touch, &args);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    args[MDM_ARG_DDM_DECLARATION_TOUCH_ID] = id;

    return MDM_CALL;
}
