
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Counts the values of DER or BER.
 */


#include "mdm_der.h"


#define MDM_DER_CONSTRUCTED  0x20
#define MDM_DER_INDEFINITE   0x80


/* where one is read, and the ends of those that it is in */

typedef struct {
    const u_char             *pos;
    const u_char             *end[MDM_DER_DEPTH + 1];
    mdm_uint_t                open[MDM_DER_DEPTH + 1];  /* no length */
    mdm_uint_t                depth;
} mdm_der_walk_t;


static mdm_int_t mdm_der_value(mdm_der_walk_t *w, const char **why);
static mdm_int_t mdm_der_tag(mdm_der_walk_t *w);
static mdm_int_t mdm_der_length(mdm_der_walk_t *w, size_t *len,
    mdm_uint_t *open);
static mdm_int_t mdm_der_leave(mdm_der_walk_t *w);


mdm_int_t
mdm_der_check(const mdm_str_t *der, const char **why)
{
    size_t          left;
    mdm_int_t       rc;
    mdm_der_walk_t  w;

    left = MDM_DER_VALUES + der->len / MDM_DER_OCTETS;

    w.pos = der->data;
    w.end[0] = der->data + der->len;
    w.open[0] = 0;
    w.depth = 0;

    for ( ;; ) {
        rc = mdm_der_leave(&w);

        if (rc == MDM_OK) {
            return MDM_OK;
        }

        if (rc == MDM_ERROR) {
            break;
        }

        if (left-- == 0) {
            *why = "message has too many values";
            return MDM_DECLINED;
        }

        rc = mdm_der_value(&w, why);

        if (rc != MDM_OK) {
            return rc;
        }
    }

    *why = "message is cut off";

    return MDM_DECLINED;
}


/* out of those that end here; MDM_OK: all do; MDM_DECLINED: there is more */

static mdm_int_t
mdm_der_leave(mdm_der_walk_t *w)
{
    const u_char  *end;

    for ( ;; ) {
        end = w->end[w->depth];

        if (w->open[w->depth]) {

            if (end - w->pos < 2) {
                return MDM_ERROR;
            }

            if (w->pos[0] != 0 || w->pos[1] != 0) {
                return MDM_DECLINED;
            }

            w->pos += 2;

        } else if (w->pos != end) {
            return MDM_DECLINED;

        } else if (w->depth == 0) {
            return MDM_OK;
        }

        w->depth--;
    }
}


/* over one that has no others in it, into one that has */

static mdm_int_t
mdm_der_value(mdm_der_walk_t *w, const char **why)
{
    size_t         len;
    u_char         tag;
    mdm_uint_t     open;
    const u_char  *end;

    tag = *w->pos;
    end = w->end[w->depth];

    if (mdm_der_tag(w) != MDM_OK || mdm_der_length(w, &len, &open) != MDM_OK
        || len > (size_t) (end - w->pos)
        || (open && (tag & MDM_DER_CONSTRUCTED) == 0))
    {
        *why = "message is cut off";
        return MDM_DECLINED;
    }

    if ((tag & MDM_DER_CONSTRUCTED) == 0) {
        w->pos += len;
        return MDM_OK;
    }

    if (w->depth == MDM_DER_DEPTH) {
        *why = "message has values that are too deep";
        return MDM_DECLINED;
    }

    w->depth++;
    w->end[w->depth] = open ? end : w->pos + len;
    w->open[w->depth] = open;

    return MDM_OK;
}


static mdm_int_t
mdm_der_tag(mdm_der_walk_t *w)
{
    const u_char  *end;

    end = w->end[w->depth];

    /* high numbers go on */

    if ((*w->pos++ & 0x1f) != 0x1f) {
        return MDM_OK;
    }

    while (w->pos < end) {
        if ((*w->pos++ & 0x80) == 0) {
            return MDM_OK;
        }
    }

    return MDM_DECLINED;
}


static mdm_int_t
mdm_der_length(mdm_der_walk_t *w, size_t *len, mdm_uint_t *open)
{
    u_char         n;
    const u_char  *end;

    end = w->end[w->depth];
    *len = 0;
    *open = 0;

    if (w->pos == end) {
        return MDM_DECLINED;
    }

    n = *w->pos++;

    if (n < MDM_DER_INDEFINITE) {
        *len = n;
        return MDM_OK;
    }

    if (n == MDM_DER_INDEFINITE) {
        *open = 1;
        return MDM_OK;
    }

    n &= 0x7f;

    if (n > end - w->pos) {
        return MDM_DECLINED;
    }

    for ( /* void */ ; n != 0; n--) {

        if (*len > (size_t) -1 >> 8) {
            return MDM_DECLINED;
        }

        *len = *len << 8 | *w->pos++;
    }

    return MDM_OK;
}
