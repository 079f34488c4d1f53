
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * GET /v1/certificates, behind the partitions: all that were issued, by when
 * they expire, but for those that devices have.
 */


#include "mdm_api_certificates.h"
#include "mdm_key.h"


/* of all that were issued: a page of them, and how many a request looks at */
#define MDM_API_CERTIFICATES_PAGE    100
#define MDM_API_CERTIFICATES_LOOKS   2000

/* bytes of a place: when it expires, ":", SHA-256 in hex */
#define MDM_API_CERTIFICATES_TIME    13
#define MDM_API_CERTIFICATES_PLACE   (MDM_API_CERTIFICATES_TIME + 64)


static mdm_int_t mdm_api_certificates_page(mdm_exchange_t *x,
    mdm_api_certificates_t *p);
static mdm_int_t mdm_api_certificates_paged(mdm_exchange_t *x,
    mdm_api_certificates_t *p);
static mdm_int_t mdm_api_certificates_got(mdm_exchange_t *x,
    mdm_api_certificates_t *p);
static mdm_int_t mdm_api_certificates_checked(mdm_exchange_t *x,
    mdm_api_certificates_t *p);
static mdm_int_t mdm_api_certificates_listed(mdm_exchange_t *x,
    const mdm_api_certificates_t *p, mdm_api_certificates_issued_t *c,
    const mdm_reply_t *reply);
static mdm_uint_t mdm_api_certificates_whose(const mdm_api_certificates_t *p,
    const mdm_api_certificates_issued_t *c, const mdm_str_t *serial);


mdm_int_t
mdm_api_certificates_issued(mdm_exchange_t *x, mdm_api_certificates_t *p)
{
    switch (x->state) {

    case MDM_API_CERTIFICATES_PAGED:
        return mdm_api_certificates_paged(x, p);

    case MDM_API_CERTIFICATES_ISSUED:
        return mdm_api_certificates_got(x, p);

    case MDM_API_CERTIFICATES_CHECKED:
        return mdm_api_certificates_checked(x, p);

    default:
        return mdm_api_certificates_page(x, p);
    }
}


/* the next ones of all that were issued */

static mdm_int_t
mdm_api_certificates_page(mdm_exchange_t *x, mdm_api_certificates_t *p)
{
    mdm_str_t  key, *args;

    /* those that are pinned were at their devices */

    if (mdm_str_is(&p->state, "pinned")) {
        return mdm_api_certificates_answer(x, p);
    }

    if ((int64_t) p->nrows >= p->limit
        || p->looks >= MDM_API_CERTIFICATES_LOOKS)
    {
        p->scan.more = 1;
        return mdm_api_certificates_answer(x, p);
    }

    if (mdm_key_ca(x->arena, &key, &x->tenant) != MDM_OK
        || mdm_exchange_calls(x, 1, MDM_API_CERTIFICATES_PAGED) != MDM_CALL)
    {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_certificates_index, &key, 0);

    if (args == NULL
        || mdm_api_number(x, &args[MDM_ARG_CERTIFICATES_INDEX_MOST],
                          MDM_API_CERTIFICATES_PAGE)
           != MDM_OK
        || (p->before != 0
            && mdm_api_number(x, &args[MDM_ARG_CERTIFICATES_INDEX_BEFORE],
                              p->before)
               != MDM_OK))
    {
        return MDM_ERROR;
    }

    args[MDM_ARG_CERTIFICATES_INDEX_AFTER] = p->scan.after;

    return MDM_CALL;
}


static mdm_int_t
mdm_api_certificates_paged(mdm_exchange_t *x, mdm_api_certificates_t *p)
{
    size_t                          i, n;
    mdm_str_t                       key;
    const mdm_reply_t              *reply;
    mdm_api_certificates_issued_t  *c;

    reply = x->calls[0].reply;
    n = mdm_reply_size(reply);

    if (n > MDM_API_CERTIFICATES_PAGE) {
        return mdm_exchange_odd(x, 0);
    }

    if (n == 0) {
        return mdm_api_certificates_answer(x, p);
    }

    p->npage = n;
    p->looks += n;
    p->page = mdm_arena_zalloc(x->arena,
                               n * sizeof(mdm_api_certificates_issued_t));

    if (p->page == NULL
        || mdm_exchange_calls(x, n, MDM_API_CERTIFICATES_ISSUED) != MDM_CALL)
    {
        return MDM_ERROR;
    }

    for (i = 0; i < n; i++) {
        c = &p->page[i];
        c->place = mdm_reply_str(reply, i);

        if (c->place.len != MDM_API_CERTIFICATES_PLACE) {
            return mdm_exchange_refuse(x, 500, "the list of certificates in "
                                       "redis cannot be read");
        }

        c->entry.sha256.data = c->place.data + MDM_API_CERTIFICATES_TIME;
        c->entry.sha256.len = MDM_API_CERTIFICATES_PLACE
                              - MDM_API_CERTIFICATES_TIME;

        if (mdm_key_certificate(x->arena, &key, &x->tenant, &c->entry.sha256)
            != MDM_OK
            || mdm_exchange_call(x, i, &mdm_script_certificate_get, &key, 0)
               == NULL)
        {
            return MDM_ERROR;
        }
    }

    return MDM_CALL;
}


/* does its device have it?  Then it was in its partition. */

static mdm_int_t
mdm_api_certificates_got(mdm_exchange_t *x, mdm_api_certificates_t *p)
{
    mdm_int_t                       rc;
    mdm_str_t                       sha256;
    mdm_uint_t                      i, n;
    mdm_api_certificates_issued_t  *c;

    n = 0;

    for (i = 0; i < p->npage; i++) {
        c = &p->page[i];
        sha256 = c->entry.sha256;

        rc = mdm_api_certificates_entry(x, x->calls[i].reply, &sha256,
                                        &c->entry);

        if (rc == MDM_OK && c->entry.found) {
            c->wanted = 1;
            rc = mdm_api_certificates_owner(x, &c->entry, &c->en);
            c->claimed = (rc == MDM_OK);
        }

        if (rc != MDM_OK && rc != MDM_DECLINED) {
            return rc;
        }

        n += c->claimed;
    }

    if (n == 0) {
        return mdm_api_certificates_checked(x, p);
    }

    if (mdm_exchange_calls(x, n, MDM_API_CERTIFICATES_CHECKED) != MDM_CALL) {
        return MDM_ERROR;
    }

    n = 0;

    for (i = 0; i < p->npage; i++) {
        c = &p->page[i];

        if (!c->claimed) {
            continue;
        }

        if (mdm_api_certificates_ask(x, n++, &c->en) != MDM_OK) {
            return MDM_ERROR;
        }
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_api_certificates_checked(mdm_exchange_t *x, mdm_api_certificates_t *p)
{
    mdm_int_t                       rc;
    mdm_uint_t                      i, n;
    mdm_api_certificates_row_t     *row;
    mdm_api_certificates_issued_t  *c;

    n = 0;

    for (i = 0; i < p->npage; i++) {
        c = &p->page[i];

        p->scan.after = c->place;

        if (!c->wanted) {
            continue;
        }

        rc = mdm_api_certificates_listed(x, p, c,
                                         c->claimed ? x->calls[n].reply
                                                    : NULL);
        n += c->claimed;

        if (rc == MDM_ERROR) {
            return MDM_ERROR;
        }

        if (rc != MDM_OK) {
            continue;
        }

        row = &p->rows[p->nrows++];
        row->entry = c->entry;
        row->id = c->entry.claimed;

        if ((int64_t) p->nrows == p->limit) {
            break;
        }
    }

    return (p->npage < MDM_API_CERTIFICATES_PAGE && i == p->npage)
           ? mdm_api_certificates_answer(x, p)
           : mdm_api_certificates_page(x, p);
}


/* MDM_OK; MDM_DECLINED: it is not one of the answer; MDM_ERROR */

static mdm_int_t
mdm_api_certificates_listed(mdm_exchange_t *x, const mdm_api_certificates_t *p,
    mdm_api_certificates_issued_t *c, const mdm_reply_t *reply)
{
    size_t                    i;
    mdm_int_t                 rc;
    mdm_str_t                 serial;
    mdm_certificates_entry_t *entry;

    static const size_t  slots[] = {
        MDM_RET_AUTHENTICATE_CHECK_CERT, MDM_RET_AUTHENTICATE_CHECK_NEXT
    };

    entry = &c->entry;

    mdm_str_null(&serial);

    if (reply != NULL) {
        serial = mdm_reply_str(reply, MDM_RET_AUTHENTICATE_CHECK_SERIAL);

        for (i = 0; i < 2; i++) {
            rc = mdm_api_certificates_is(x, entry, reply, slots[i]);

            if (rc != MDM_DECLINED) {
                return (rc == MDM_OK) ? MDM_DECLINED : MDM_ERROR;
            }
        }
    }

    /* its pin was taken away */

    if (mdm_str_is(&entry->state, "pinned")) {
        mdm_str_set(&entry->state, "replaced");
    }

    return (mdm_api_certificates_whose(p, c, &serial)
            && mdm_api_certificates_fit(p, entry))
           ? MDM_OK : MDM_DECLINED;
}


static mdm_uint_t
mdm_api_certificates_whose(const mdm_api_certificates_t *p,
    const mdm_api_certificates_issued_t *c, const mdm_str_t *serial)
{
    const mdm_certificates_entry_t  *entry;

    entry = &c->entry;

    if (p->only.len != 0
        && !mdm_str_eq(&p->only, &entry->claimed)
        && (entry->claimed.len != 0
            || !mdm_str_eq_i(&p->only, &entry->c.udid)))
    {
        return 0;
    }

    return p->serial.len == 0
           || mdm_str_eq_i(&p->serial, &entry->c.serial)
           || mdm_str_eq_i(&p->serial, serial);
}
