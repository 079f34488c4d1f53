
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The sets, tags and variables of an enrollment.  The enrollment need not exist
 * yet: what is assigned to it counts from the moment when it enrolls.
 */


#include "mdm_api.h"
#include "mdm_api_assignment.h"
#include "mdm_api_json.h"
#include "mdm_key.h"


#define MDM_API_VARIABLE_MAX  1024    /* bytes of a value */
#define MDM_API_VARIABLE_NAME 64      /* and of a name */
#define MDM_API_VARIABLES     128     /* that one call changes */


static mdm_int_t mdm_api_assign_names(mdm_exchange_t *x, const char *arg,
    const char *prefix, const char *event);
static mdm_int_t mdm_api_assignment_list(mdm_exchange_t *x, const char *prefix);
static mdm_int_t mdm_api_variables_list(mdm_exchange_t *x);
static mdm_int_t mdm_api_variables_put(mdm_exchange_t *x,
    mdm_api_assign_t *assign);
static mdm_int_t mdm_api_variables_body(mdm_exchange_t *x,
    mdm_api_assign_t *assign, json_t *json);
static mdm_int_t mdm_api_variable(mdm_exchange_t *x, mdm_api_assign_t *assign,
    const mdm_str_t *name, const mdm_str_t *value);
static mdm_uint_t mdm_api_variable_name(const mdm_str_t *name);


mdm_int_t
mdm_api_enrollment_sets_step(mdm_exchange_t *x)
{
    return mdm_api_assign_names(x, "set", "s:", "api.EnrollmentSets");
}


mdm_int_t
mdm_api_enrollment_tags_step(mdm_exchange_t *x)
{
    return mdm_api_assign_names(x, "tag", "t:", "api.EnrollmentTags");
}


static mdm_int_t
mdm_api_assign_names(mdm_exchange_t *x, const char *arg, const char *prefix,
    const char *event)
{
    mdm_int_t          rc;
    mdm_str_t          field, one;
    mdm_api_assign_t  *assign;
    mdm_enrollment_t   en;

    if (x->state != 0) {
        return (x->method == MDM_GET) ? mdm_api_assignment_list(x, prefix)
                                      : mdm_api_assign_answer(x);
    }

    rc = mdm_api_enrollment(x, 0, &en);
    if (rc != MDM_OK) {
        return rc;
    }

    if (x->method == MDM_GET) {
        return mdm_api_assignment_call(x, &en, 1);
    }

    rc = mdm_api_assign_arg(x, arg, prefix, &field);
    if (rc != MDM_OK) {
        return rc;
    }

    assign = mdm_api_assign_create(x, &en, event, 1);
    if (assign == NULL) {
        return MDM_ERROR;
    }

    mdm_str_set(&one, "1");
    mdm_api_assign_add(assign, (x->method == MDM_PUT) ? "set" : "delete",
                       &field, &one);

    return mdm_api_assign_call(x, assign, 1);
}


static mdm_int_t
mdm_api_assignment_list(mdm_exchange_t *x, const char *prefix)
{
    size_t              i;
    mdm_str_t           s;
    mdm_json_out_t      j;
    const mdm_reply_t  *reply;

    reply = x->calls[0].reply;

    mdm_json_init(&j, x->arena, 256);
    mdm_json_open(&j, NULL, '[');

    for (i = MDM_RET_DDM_ASSIGNMENT_FIELDS;
         mdm_reply_row(reply, i, MDM_NRET_DDM_ASSIGNMENT_FIELDS);
         i += MDM_NRET_DDM_ASSIGNMENT_FIELDS)
    {
        s = mdm_reply_str(reply, i + MDM_RET_DDM_ASSIGNMENT_FIELDS_NAME);

        if (s.len < 2 || memcmp(s.data, prefix, 2) != 0) {
            continue;
        }

        s.data += 2;
        s.len -= 2;

        mdm_json_id(&j, NULL, &s);
    }

    mdm_json_close(&j, ']');

    return mdm_api_json_answer(&j, x, 200);
}


mdm_int_t
mdm_api_enrollment_sets_all_step(mdm_exchange_t *x)
{
    mdm_int_t          rc;
    mdm_str_t          field;
    mdm_api_assign_t  *assign;
    mdm_enrollment_t   en;

    if (x->state != 0) {
        return mdm_api_assign_answer(x);
    }

    rc = mdm_api_enrollment(x, 0, &en);
    if (rc != MDM_OK) {
        return rc;
    }

    assign = mdm_api_assign_create(x, &en, "api.EnrollmentSets", 1);
    if (assign == NULL) {
        return MDM_ERROR;
    }

    mdm_str_set(&field, "s:");
    mdm_api_assign_add(assign, "clear", &field, NULL);

    return mdm_api_assign_call(x, assign, 1);
}


mdm_int_t
mdm_api_enrollment_variables_step(mdm_exchange_t *x)
{
    mdm_int_t          rc;
    mdm_str_t          name, field;
    mdm_api_assign_t  *assign;
    mdm_enrollment_t   en;

    if (x->state != 0) {
        return (x->method == MDM_GET) ? mdm_api_variables_list(x)
                                      : mdm_api_assign_answer(x);
    }

    rc = mdm_api_enrollment(x, 0, &en);
    if (rc != MDM_OK) {
        return rc;
    }

    if (x->method == MDM_GET) {
        return mdm_api_assignment_call(x, &en, 1);
    }

    assign = mdm_api_assign_create(x, &en, "api.EnrollmentVariables",
                                   MDM_API_VARIABLES);
    if (assign == NULL) {
        return MDM_ERROR;
    }

    rc = mdm_api_arg(x, "variable", &name);
    if (rc != MDM_OK) {
        return rc;
    }

    if (x->method == MDM_PUT) {
        rc = mdm_api_variables_put(x, assign);

    } else if (name.len != 0) {
        rc = mdm_api_variable(x, assign, &name, NULL);

    } else {
        mdm_str_set(&field, "v:");
        mdm_api_assign_add(assign, "clear", &field, NULL);
    }

    return (rc != MDM_OK) ? rc : mdm_api_assign_call(x, assign, 1);
}


static mdm_int_t
mdm_api_variables_list(mdm_exchange_t *x)
{
    size_t              i;
    mdm_str_t           s, value;
    mdm_json_out_t      j;
    const mdm_reply_t  *reply;

    reply = x->calls[0].reply;

    mdm_json_init(&j, x->arena, 256);
    mdm_json_open(&j, NULL, '{');

    for (i = MDM_RET_DDM_ASSIGNMENT_FIELDS;
         mdm_reply_row(reply, i, MDM_NRET_DDM_ASSIGNMENT_FIELDS);
         i += MDM_NRET_DDM_ASSIGNMENT_FIELDS)
    {
        s = mdm_reply_str(reply, i + MDM_RET_DDM_ASSIGNMENT_FIELDS_NAME);
        value = mdm_reply_str(reply, i + MDM_RET_DDM_ASSIGNMENT_FIELDS_VALUE);

        if (s.len > 2 && memcmp(s.data, "v:", 2) == 0) {
            s.data += 2;
            s.len -= 2;

            mdm_json_key(&j, &s);
            mdm_json_str(&j, NULL, &value);
        }
    }

    mdm_json_close(&j, '}');

    return mdm_api_json_answer(&j, x, 200);
}


/* one by ?variable=&value=, or a JSON object of them */

static mdm_int_t
mdm_api_variables_put(mdm_exchange_t *x, mdm_api_assign_t *assign)
{
    json_t     *json;
    mdm_int_t   rc;
    mdm_str_t   name, value;

    rc = mdm_api_arg(x, "variable", &name);

    if (rc == MDM_OK && name.len != 0) {
        rc = mdm_api_arg(x, "value", &value);

        return (rc != MDM_OK) ? rc : mdm_api_variable(x, assign, &name, &value);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    rc = mdm_api_body(x, "JSON", &json);
    if (rc != MDM_OK) {
        return rc;
    }

    if (!json_is_object(json)) {
        return mdm_exchange_refuse(x, 400, "the body is not a JSON object");
    }

    if (json_object_size(json) > MDM_API_VARIABLES) {
        return mdm_exchange_refuse(x, 400, "more than %d variables",
                                   MDM_API_VARIABLES);
    }

    return mdm_api_variables_body(x, assign, json);
}


static mdm_int_t
mdm_api_variables_body(mdm_exchange_t *x, mdm_api_assign_t *assign,
    json_t *json)
{
    void       *iter;
    json_t     *value;
    mdm_int_t   rc;
    mdm_str_t   name, s;

    for (iter = json_object_iter(json);
         iter != NULL;
         iter = json_object_iter_next(json, iter))
    {
        name.data = (u_char *) json_object_iter_key(iter);
        name.len = strlen((char *) name.data);

        value = json_object_iter_value(iter);

        if (json_is_string(value)) {
            s.data = (u_char *) json_string_value(value);
            s.len = json_string_length(value);

            rc = mdm_api_variable(x, assign, &name, &s);

        } else if (json_is_null(value)) {
            rc = mdm_api_variable(x, assign, &name, NULL);

        } else {
            rc = mdm_exchange_refuse(x, 400, "the variable \"%.*s\" is "
                                     "neither a string nor null",
                                     mdm_fmt(&name));
        }

        if (rc != MDM_OK) {
            return rc;
        }
    }

    return MDM_OK;
}


/* "value" is NULL: it is taken away */

static mdm_int_t
mdm_api_variable(mdm_exchange_t *x, mdm_api_assign_t *assign,
    const mdm_str_t *name, const mdm_str_t *value)
{
    mdm_str_t  field;

    if (!mdm_api_variable_name(name)) {
        return mdm_exchange_refuse(x, 400, "the variable \"%.*s\" is not 1 "
                                   "to %d letters, digits, \"-\", \".\" or "
                                   "\"_\"", mdm_fmt(name),
                                   MDM_API_VARIABLE_NAME);
    }

    if (value != NULL
        && (value->len > MDM_API_VARIABLE_MAX || !mdm_utf8_valid(value)))
    {
        return mdm_exchange_refuse(x, 400, "the variable \"%.*s\" is longer "
                                   "than %d bytes, or not UTF-8",
                                   mdm_fmt(name), MDM_API_VARIABLE_MAX);
    }

    if (mdm_printf(x->arena, &field, "v:%.*s", mdm_fmt(name)) != MDM_OK) {
        return MDM_ERROR;
    }

    mdm_api_assign_add(assign, (value != NULL) ? "set" : "delete", &field,
                       value);

    return MDM_OK;
}


static mdm_uint_t
mdm_api_variable_name(const mdm_str_t *name)
{
    /* the same letters as of a tenant, and as many */

    return mdm_tenant_check(name) == MDM_OK;
}
