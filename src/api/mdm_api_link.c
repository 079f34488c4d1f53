
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * POST, GET /v1/enrollment-links, DELETE /v1/enrollment-links/ID: links that
 * devices enroll by.
 */


#include "mdm_api.h"
#include "mdm_api_json.h"
#include "mdm_api_util.h"
#include "mdm_date.h"
#include "mdm_ddm_declaration.h"
#include "mdm_enroll.h"
#include "mdm_gives.h"
#include "mdm_key.h"
#include "mdm_link.h"
#include "mdm_quote.h"


#define MDM_API_LINKS         100
#define MDM_API_LINKS_MAX     500


/* a new one */

typedef struct {
    mdm_link_new_t            n;
    const mdm_enroll_block_t *block;
} mdm_api_link_t;


/* a page of the list, between its rounds */

typedef struct {
    mdm_str_t                 tag;
    const mdm_reply_t        *page;
} mdm_api_links_t;


enum {
    MDM_API_LINK_BEGIN = 0,
    MDM_API_LINK_LISTED,
    MDM_API_LINK_SEEN,
    MDM_API_LINK_MADE,
    MDM_API_LINK_DONE
};


static mdm_int_t mdm_api_link_read(mdm_exchange_t *x, mdm_api_link_t *l);
static mdm_int_t mdm_api_link_member(mdm_exchange_t *x, mdm_api_link_t *l,
    const char *name, const json_t *value);
static mdm_int_t mdm_api_link_text(mdm_exchange_t *x, const char *name,
    const json_t *value, mdm_str_t *dst);
static mdm_int_t mdm_api_link_uses(mdm_exchange_t *x, mdm_api_link_t *l,
    const json_t *value);
static mdm_int_t mdm_api_link_variables(mdm_exchange_t *x,
    mdm_api_link_t *l);
static mdm_int_t mdm_api_link_answer(mdm_exchange_t *x, mdm_api_link_t *l);
static mdm_int_t mdm_api_links_ask(mdm_exchange_t *x);
static mdm_int_t mdm_api_links_look(mdm_exchange_t *x, mdm_api_links_t *p);
static mdm_int_t mdm_api_links_answer(mdm_exchange_t *x, mdm_api_links_t *p);
static mdm_int_t mdm_api_links_row(mdm_exchange_t *x, mdm_api_links_t *p,
    mdm_json_out_t *j, size_t row, const mdm_reply_t *state);


mdm_int_t
mdm_api_links_step(mdm_exchange_t *x)
{
    mdm_int_t        rc;
    mdm_api_link_t  *l;

    if (x->method == MDM_GET) {
        return (x->state == MDM_API_LINK_BEGIN) ? mdm_api_links_ask(x)
             : (x->state == MDM_API_LINK_LISTED)
               ? mdm_api_links_look(x, x->ctx)
               : mdm_api_links_answer(x, x->ctx);
    }

    switch (x->state) {

    case MDM_API_LINK_MADE:
        return mdm_api_link_variables(x, x->ctx);

    case MDM_API_LINK_DONE:
        return mdm_api_link_answer(x, x->ctx);

    default: /* MDM_API_LINK_BEGIN */
        break;
    }

    l = mdm_arena_zalloc(x->arena, sizeof(mdm_api_link_t));
    if (l == NULL) {
        return MDM_ERROR;
    }

    x->ctx = l;

    l->n.uses = 1;
    l->n.ttl = MDM_LINK_TTL;

    rc = mdm_api_link_read(x, l);

    return (rc == MDM_OK)
           ? mdm_exchange_enter(x, mdm_link_create, &l->n, MDM_API_LINK_MADE)
           : rc;
}


/* MDM_OK, MDM_DONE, MDM_ERROR */

static mdm_int_t
mdm_api_link_read(mdm_exchange_t *x, mdm_api_link_t *l)
{
    json_t       *root, *value;
    mdm_int_t     rc;
    mdm_quote_t   quote;
    const char   *name;

    rc = mdm_api_body(x, "a JSON object", &root);
    if (rc != MDM_OK) {
        return rc;
    }

    if (!json_is_object(root)) {
        return mdm_exchange_refuse(x, 400, "the body is not a JSON object");
    }

    json_object_foreach(root, name, value) {
        rc = mdm_api_link_member(x, l, name, value);

        if (rc != MDM_OK) {
            return rc;
        }
    }

    rc = mdm_gives_read(x, root, &l->n.c.gives);
    if (rc != MDM_OK) {
        return rc;
    }

    if (l->n.c.enrollment.len == 0) {
        return mdm_exchange_refuse(x, 400, "\"enrollment\" is missing: the "
                                   "name of an mdm_enrollment");
    }

    l->block = mdm_enroll_block_of(x, &l->n.c.enrollment);

    if (l->block == NULL) {
        return mdm_exchange_refuse(x, 404, "there is no mdm_enrollment "
                                   "\"%s\"",
                                   mdm_quote(&quote, (char *)
                                             l->n.c.enrollment.data,
                                             l->n.c.enrollment.len));
    }

    if (l->block->enroll_url.len == 0) {
        return mdm_exchange_refuse(x, 409, "mdm_enrollment \"%.*s\" has no "
                                   "\"enroll_url\"",
                                   mdm_fmt(&l->block->name));
    }

    return MDM_OK;
}


static mdm_int_t
mdm_api_link_member(mdm_exchange_t *x, mdm_api_link_t *l, const char *name,
    const json_t *value)
{
    mdm_quote_t  quote;

    if (strcmp(name, "enrollment") == 0) {
        return mdm_api_link_text(x, name, value, &l->n.c.enrollment);
    }

    if (strcmp(name, "udid") == 0) {
        return mdm_api_link_text(x, name, value, &l->n.c.udid);
    }

    if (strcmp(name, "serial") == 0) {
        return mdm_api_link_text(x, name, value, &l->n.c.serial);
    }

    if (strcmp(name, "person") == 0) {
        return mdm_api_link_text(x, name, value, &l->n.c.person);
    }

    if (strcmp(name, "uses") == 0) {
        return mdm_api_link_uses(x, l, value);
    }

    if (strcmp(name, "ttl") == 0) {

        if (mdm_api_seconds(value, MDM_LINK_TTL_MAX, &l->n.ttl) != MDM_OK) {
            return mdm_exchange_refuse(x, 400, "\"ttl\" is not a time from 1s "
                                       "to 365d, such as \"1h\" or \"7d\"");
        }

        return MDM_OK;
    }

    if (strcmp(name, "sets") == 0 || strcmp(name, "tags") == 0
        || strcmp(name, "variables") == 0)
    {
        return MDM_OK;
    }

    /* a binding that is spelled in another way must not be lost */

    return mdm_exchange_refuse(x, 400, "unknown member \"%s\"",
                               mdm_quote(&quote, name, strlen(name)));
}


/* null is as good as none */

static mdm_int_t
mdm_api_link_text(mdm_exchange_t *x, const char *name, const json_t *value,
    mdm_str_t *dst)
{
    if (json_is_null(value)) {
        return MDM_OK;
    }

    dst->data = (u_char *) (uintptr_t) json_string_value(value);
    dst->len = json_string_length(value);

    if (dst->data == NULL || dst->len == 0 || dst->len > MDM_CHALLENGE_NAME
        || mdm_utf8_control(dst))
    {
        return mdm_exchange_refuse(x, 400, "\"%s\" is not a string of 1 to %d "
                                   "octets without control characters", name,
                                   MDM_CHALLENGE_NAME);
    }

    if (strcmp(name, "udid") == 0 && memchr(dst->data, ':', dst->len) != NULL)
    {
        return mdm_exchange_refuse(x, 400, "\"udid\" is not that of a device: "
                                   "it has a colon");
    }

    return MDM_OK;
}


static mdm_int_t
mdm_api_link_uses(mdm_exchange_t *x, mdm_api_link_t *l, const json_t *value)
{
    json_int_t  uses;

    uses = json_integer_value(value);

    if (!json_is_integer(value) || uses < 1 || uses > MDM_LINK_USES) {
        return mdm_exchange_refuse(x, 400, "\"uses\" is not a number from 1 "
                                   "to %d", MDM_LINK_USES);
    }

    l->n.uses = (mdm_uint_t) uses;

    return MDM_OK;
}


/* what declarations may use; should this one fail, they are warned of */

static mdm_int_t
mdm_api_link_variables(mdm_exchange_t *x, mdm_api_link_t *l)
{
    mdm_str_t   key, *args, *pairs;
    mdm_uint_t  i, n, names;

    if (l->n.code == MDM_CHALLENGE_LIMIT) {
        return mdm_exchange_refuse(x, 409, "there are %lu links already "
                                   "(mdm_challenge_limit)", (unsigned long)
                                   x->settings->challenge_limit);
    }

    if (mdm_gives_pairs(x->arena, &l->n.c.gives, &pairs, &n) != MDM_OK) {
        return MDM_ERROR;
    }

    names = 0;

    for (i = 0; i < n; i++) {
        names += (pairs[2 * i].data[0] == 'v');
    }

    if (names == 0) {
        return mdm_api_link_answer(x, l);
    }

    if (mdm_key_declarations(x->arena, &key, &x->tenant) != MDM_OK
        || mdm_exchange_calls(x, 1, MDM_API_LINK_DONE) != MDM_CALL)
    {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_ddm_variables, &key, names);
    if (args == NULL) {
        return MDM_ERROR;
    }

    x->own_failures = 1;

    names = 0;

    for (i = 0; i < n; i++) {

        if (pairs[2 * i].data[0] != 'v') {
            continue;
        }

        args[MDM_ARG_DDM_VARIABLES_NAMES + names].data = pairs[2 * i].data + 2;
        args[MDM_ARG_DDM_VARIABLES_NAMES + names].len = pairs[2 * i].len - 2;
        names++;
    }

    return (mdm_api_number(x, &args[MDM_ARG_DDM_VARIABLES_MOST],
                           MDM_DDM_VARIABLES)
            == MDM_OK)
           ? MDM_CALL : MDM_ERROR;
}


static mdm_int_t
mdm_api_link_answer(mdm_exchange_t *x, mdm_api_link_t *l)
{
    u_char          buf[MDM_DATE_LEN];
    mdm_str_t       date, url;
    mdm_json_out_t  j;

    if (mdm_date_unix(buf, l->n.ends) != MDM_OK) {
        return mdm_exchange_refuse(x, 500, "the time in redis cannot be read");
    }

    date.data = buf;
    date.len = MDM_DATE_LEN;

    if (mdm_printf(x->arena, &url, "%.*s/%.*s", mdm_fmt(&l->block->enroll_url),
                   mdm_fmt(&l->n.value))
        != MDM_OK)
    {
        return MDM_ERROR;
    }

    mdm_json_init(&j, x->arena, 512);
    mdm_json_open(&j, NULL, '{');
    mdm_json_str(&j, "id", &l->n.c.id);
    mdm_json_str(&j, "url", &url);
    mdm_json_str(&j, "expires", &date);
    mdm_json_close(&j, '}');

    return mdm_api_json_answer(&j, x, 201);
}


static mdm_int_t
mdm_api_links_ask(mdm_exchange_t *x)
{
    int64_t           limit;
    mdm_int_t         rc;
    mdm_str_t         cursor, *args;
    mdm_api_links_t  *p;

    p = mdm_arena_zalloc(x->arena, sizeof(mdm_api_links_t));
    if (p == NULL) {
        return MDM_ERROR;
    }

    x->ctx = p;
    limit = MDM_API_LINKS;

    rc = mdm_api_page_args(x, MDM_API_LINKS_MAX, &limit, &cursor);
    if (rc != MDM_OK) {
        return rc;
    }

    if (mdm_key_profiles(x->arena, &p->tag, &x->tenant) != MDM_OK
        || mdm_exchange_calls(x, 1, MDM_API_LINK_LISTED) != MDM_CALL)
    {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_link_list, &p->tag, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_LINK_LIST_AFTER] = cursor;

    return (mdm_api_number(x, &args[MDM_ARG_LINK_LIST_MOST], limit) == MDM_OK)
           ? MDM_CALL : MDM_ERROR;
}


/* what became of each stands in its own slot */

static mdm_int_t
mdm_api_links_look(mdm_exchange_t *x, mdm_api_links_t *p)
{
    size_t      row;
    mdm_str_t   key, digest, *args;
    mdm_uint_t  i, n;

    p->page = x->calls[0].reply;
    n = 0;

    for (row = MDM_RET_LINK_LIST_LINKS;
         mdm_reply_row(p->page, row, MDM_NRET_LINK_LIST_LINKS);
         row += MDM_NRET_LINK_LIST_LINKS)
    {
        n++;
    }

    if (n == 0) {
        x->ncalls = 0;
        return mdm_api_links_answer(x, p);
    }

    if (mdm_exchange_calls(x, n, MDM_API_LINK_SEEN) != MDM_CALL) {
        return MDM_ERROR;
    }

    for (i = 0; i < n; i++) {
        row = MDM_RET_LINK_LIST_LINKS + i * MDM_NRET_LINK_LIST_LINKS;
        digest = mdm_reply_str(p->page, row + MDM_RET_LINK_LIST_LINKS_DIGEST);

        if (mdm_key_link(x->arena, &key, &x->tenant, &digest) != MDM_OK) {
            return MDM_ERROR;
        }

        args = mdm_exchange_call(x, i, &mdm_script_link_state, &key, 0);
        if (args == NULL) {
            return MDM_ERROR;
        }

        args[MDM_ARG_LINK_STATE_ID] =
                mdm_reply_str(p->page, row + MDM_RET_LINK_LIST_LINKS_ID);
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_api_links_answer(mdm_exchange_t *x, mdm_api_links_t *p)
{
    mdm_int_t       rc;
    mdm_str_t       next;
    mdm_uint_t      i;
    mdm_json_out_t  j;

    mdm_json_init(&j, x->arena, 64 + 256 * (x->ncalls + 1));
    mdm_json_open(&j, NULL, '{');
    mdm_json_open(&j, "links", '[');

    for (i = 0; i < x->ncalls; i++) {
        rc = mdm_api_links_row(x, p, &j,
                               MDM_RET_LINK_LIST_LINKS
                               + i * MDM_NRET_LINK_LIST_LINKS,
                               x->calls[i].reply);
        if (rc != MDM_OK) {
            return rc;
        }
    }

    next = mdm_reply_str(p->page, MDM_RET_LINK_LIST_NEXT);

    return mdm_api_page_end(x, &j, &next);
}


static mdm_int_t
mdm_api_links_row(mdm_exchange_t *x, mdm_api_links_t *p, mdm_json_out_t *j,
    size_t row, const mdm_reply_t *state)
{
    int64_t             uses, used;
    mdm_int_t           rc;
    mdm_str_t           value, bind;
    mdm_uint_t          lost;
    mdm_challenge_t     c;
    mdm_secret_where_t  where;

#define mdm_api_link_value(name)                                              \
    mdm_reply_str(p->page, row + MDM_RET_LINK_LIST_LINKS_ ## name)

    c.id = mdm_api_link_value(ID);
    bind = mdm_api_link_value(BIND);

    mdm_where_link_listed(&where, &p->tag, &c.id);

    rc = mdm_challenge_bound_listed(x, &where, "link", &bind, &c);
    if (rc != MDM_OK) {
        return rc;
    }

    value = mdm_api_link_value(USES);

    if (mdm_atoi(&value, &uses) != MDM_OK) {
        uses = 1;
    }

    /* of one that was being made, or taken back, when the worker ended */

    lost = (mdm_reply_code(state, 0) != 1);
    used = mdm_reply_int(state, MDM_RET_LINK_STATE_USED, 0);

    mdm_json_open(j, NULL, '{');
    mdm_json_str(j, "id", &c.id);
    value = mdm_api_link_value(ENROLLMENT);
    mdm_json_str(j, "enrollment", &value);
    mdm_json_text(j, "state", lost ? "lost" : (used >= uses) ? "used" : "open");
    mdm_json_int(j, "uses", uses);
    mdm_json_int(j, "used", used);
    mdm_json_int(j, "fetched",
                 mdm_reply_int(state, MDM_RET_LINK_STATE_FETCHED, 0));
    mdm_json_opt_str(j, "udid", &c.udid);
    mdm_json_opt_str(j, "serial", &c.serial);
    mdm_json_opt_str(j, "person", &c.person);

    if (mdm_gives_show(x->arena, &c.gives, j) != MDM_OK) {
        return MDM_ERROR;
    }

    value = mdm_api_link_value(TIME);
    mdm_json_opt_time(j, "time", &value);
    value = mdm_api_link_value(BY);
    mdm_json_opt_str(j, "by", &value);
    value = mdm_api_link_value(ENDS);
    mdm_json_opt_time(j, "expires", &value);
    mdm_json_close(j, '}');

    return MDM_OK;
}


mdm_int_t
mdm_api_link_delete_step(mdm_exchange_t *x)
{
    mdm_int_t             rc;
    mdm_listed_delete_t  *d;

    if (x->state == MDM_API_LINK_DONE) {
        d = x->ctx;

        return d->found ? mdm_exchange_empty(x, 204)
                        : mdm_exchange_refuse(x, 404, "there is no link with "
                                              "this id");
    }

    d = mdm_arena_zalloc(x->arena, sizeof(mdm_listed_delete_t));
    if (d == NULL) {
        return MDM_ERROR;
    }

    d->kind = &mdm_links_listed;

    rc = mdm_api_uuid(x, 0, &d->id);
    if (rc != MDM_OK) {
        return rc;
    }

    mdm_str_null(&x->command_uuid);
    x->ctx = d;

    return mdm_exchange_enter(x, mdm_listed_delete, d, MDM_API_LINK_DONE);
}
