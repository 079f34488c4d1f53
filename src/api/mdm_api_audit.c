
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Writes down which secrets an administrator reads, before they are shown.
 */


#include "mdm_api_audit.h"
#include "mdm_api_ids.h"
#include "mdm_api_util.h"


typedef struct mdm_api_audit_name_s  mdm_api_audit_name_t;

struct mdm_api_audit_name_s {
    mdm_str_t                 name;
    mdm_api_audit_name_t     *next;
};


typedef struct {
    mdm_api_audit_name_t     *first;
    mdm_api_audit_name_t    **last;
    size_t                    len;         /* with a comma behind each */
} mdm_api_audit_list_t;


/* one event to be */

struct mdm_api_audit_s {
    mdm_str_t                 tag;
    const char               *what;
    mdm_api_audit_list_t      ids;
    mdm_api_audit_list_t      uuids;
    mdm_api_audit_t          *next;
};


static mdm_int_t mdm_api_audit_add(mdm_exchange_t *x,
    mdm_api_audit_list_t *list, const mdm_str_t *name);
static mdm_int_t mdm_api_audit_join(mdm_exchange_t *x,
    const mdm_api_audit_list_t *list, mdm_str_t *text);
static mdm_int_t mdm_api_audit_log(mdm_exchange_t *x, mdm_int_t rc);
static mdm_int_t mdm_api_audit_step(mdm_exchange_t *x);
static mdm_int_t mdm_api_audit_round(mdm_exchange_t *x);
static mdm_int_t mdm_api_audit_written(mdm_exchange_t *x);


mdm_int_t
mdm_api_audit(mdm_exchange_t *x, const mdm_str_t *tag, const char *what,
    const mdm_str_t *id, const mdm_str_t *uuid)
{
    mdm_api_audit_t  *a;

    a = x->audits;

    /* partitions come one after the other, the newest is in front */

    if (a == NULL || strcmp(a->what, what) != 0 || !mdm_str_eq(&a->tag, tag)) {
        a = mdm_arena_zalloc(x->arena, sizeof(mdm_api_audit_t));
        if (a == NULL) {
            return MDM_ERROR;
        }

        a->tag = *tag;
        a->what = what;
        a->ids.last = &a->ids.first;
        a->uuids.last = &a->uuids.first;
        a->next = x->audits;

        x->audits = a;
    }

    /* a page of one queue names it once */

    if ((uuid == NULL || a->ids.first == NULL)
        && mdm_api_audit_add(x, &a->ids, id) != MDM_OK)
    {
        return MDM_ERROR;
    }

    return (uuid != NULL) ? mdm_api_audit_add(x, &a->uuids, uuid) : MDM_OK;
}


static mdm_int_t
mdm_api_audit_add(mdm_exchange_t *x, mdm_api_audit_list_t *list,
    const mdm_str_t *name)
{
    mdm_api_audit_name_t  *n;

    n = mdm_arena_zalloc(x->arena, sizeof(mdm_api_audit_name_t));
    if (n == NULL) {
        return MDM_ERROR;
    }

    n->name = *name;

    *list->last = n;
    list->last = &n->next;
    list->len += name->len + 1;

    return MDM_OK;
}


static mdm_int_t
mdm_api_audit_join(mdm_exchange_t *x, const mdm_api_audit_list_t *list,
    mdm_str_t *text)
{
    u_char                      *p;
    const mdm_api_audit_name_t  *n;

    mdm_str_null(text);

    if (list->first == NULL) {
        return MDM_OK;
    }

    p = mdm_arena_alloc(x->arena, list->len);
    if (p == NULL) {
        return MDM_ERROR;
    }

    text->data = p;
    text->len = list->len - 1;

    for (n = list->first; n != NULL; n = n->next) {

        if (n->name.len != 0) {
            memcpy(p, n->name.data, n->name.len);
            p += n->name.len;
        }

        *p++ = ',';
    }

    return MDM_OK;
}


mdm_int_t
mdm_api_audited(mdm_exchange_t *x, mdm_int_t rc)
{
    if (rc != MDM_DONE || x->status >= 300 || x->audits == NULL) {
        return rc;
    }

    if (x->settings->event_limit == 0) {
        return mdm_api_audit_log(x, rc);
    }

    return mdm_exchange_enter(x, mdm_api_audit_step, x->ctx, 0);
}


/* entered with the response: it ends with it, or with another one */

static mdm_int_t
mdm_api_audit_step(mdm_exchange_t *x)
{
    return (x->state == 0) ? mdm_api_audit_round(x)
                           : mdm_api_audit_written(x);
}


static mdm_int_t
mdm_api_audit_round(mdm_exchange_t *x)
{
    mdm_str_t        *args;
    mdm_uint_t        i, n;
    mdm_api_audit_t  *a;

    n = 0;

    for (a = x->audits; a != NULL && n < MDM_API_ROUND; a = a->next) {
        n++;
    }

    if (mdm_exchange_calls(x, n, 1) != MDM_CALL) {
        return MDM_ERROR;
    }

    x->own_failures = 1;

    for (i = 0; i < n; i++) {
        a = x->audits;
        x->audits = a->next;

        args = mdm_exchange_call(x, i, &mdm_script_audit, &a->tag, 0);

        if (args == NULL
            || mdm_api_audit_join(x, &a->uuids, &args[MDM_ARG_AUDIT_UUIDS])
               != MDM_OK
            || mdm_api_audit_join(x, &a->ids, &args[MDM_ARG_AUDIT_IDS])
               != MDM_OK)
        {
            return MDM_ERROR;
        }

        args[MDM_ARG_AUDIT_WHAT].data = (u_char *) (uintptr_t) a->what;
        args[MDM_ARG_AUDIT_WHAT].len = strlen(a->what);
    }

    return MDM_CALL;
}


/* there are no events: the error log has it */

static mdm_int_t
mdm_api_audit_log(mdm_exchange_t *x, mdm_int_t rc)
{
    mdm_str_t         ids;
    mdm_api_audit_t  *a;

    if (mdm_exchange_actor(x) != MDM_OK) {
        return MDM_ERROR;
    }

    for (a = x->audits; a != NULL; a = a->next) {

        if (mdm_api_audit_join(x, &a->ids, &ids) != MDM_OK) {
            return MDM_ERROR;
        }

        mdm_exchange_log(x, MDM_LOG_NOTICE, "%s of \"%.*s\" is read by "
                         "\"%.*s\" from %.*s", a->what, mdm_fmt(&ids),
                         mdm_fmt(&x->actor[MDM_ARG_WHO]),
                         mdm_fmt(&x->actor[MDM_ARG_ADDRESS]));
    }

    return rc;
}


static mdm_int_t
mdm_api_audit_written(mdm_exchange_t *x)
{
    mdm_uint_t  i;

    for (i = 0; i < x->ncalls; i++) {

        if (x->calls[i].rc == MDM_CALL_OK) {
            continue;
        }

        (void) mdm_exchange_unavailable(x);

        return mdm_exchange_refuse(x, 503, "the audit event of this read "
                                   "cannot be written, so that it is "
                                   "refused: try again");
    }

    return (x->audits != NULL) ? mdm_api_audit_round(x) : MDM_DONE;
}
