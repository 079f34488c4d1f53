
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * DER, as much as a device certificate needs.
 */


#include "mdmsim_ca.h"


void
sim_der_put(sim_der_t *d, const void *data, size_t len)
{
    if (len > d->pos) {
        sim_die("the CA's subject is too long");
    }

    d->pos -= len;
    memcpy(d->data + d->pos, data, len);
}


/* the head of what was written since "end" */

void
sim_der_head(sim_der_t *d, uint8_t tag, size_t end)
{
    size_t   len, n;
    uint8_t  head[6];

    len = end - d->pos;
    head[0] = tag;

    if (len < 0x80) {
        head[1] = (uint8_t) len;
        n = 2;

    } else if (len < 0x100) {
        head[1] = 0x81;
        head[2] = (uint8_t) len;
        n = 3;

    } else {
        head[1] = 0x82;
        head[2] = (uint8_t) (len >> 8);
        head[3] = (uint8_t) len;
        n = 4;
    }

    sim_der_put(d, head, n);
}


/* one RelativeDistinguishedName; "oid" is its two last bytes below 2.5 */

void
sim_der_name(sim_der_t *d, const uint8_t *oid, uint8_t tag,
    const char *value)
{
    size_t   end;
    uint8_t  type[5] = { 0x06, 0x03, 0x55, 0, 0 };

    end = d->pos;
    sim_der_put(d, value, strlen(value));
    sim_der_head(d, tag, end);

    memcpy(type + 3, oid, 2);
    sim_der_put(d, type, sizeof(type));
    sim_der_head(d, 0x30, end);
    sim_der_head(d, 0x31, end);
}


/* an extension 2.5.29.last */

void
sim_der_extension(sim_der_t *d, uint8_t last, int critical,
    const uint8_t *value, size_t len)
{
    size_t   end;
    uint8_t  oid[5] = { 0x06, 0x03, 0x55, 0x1d, 0 };

    static const uint8_t  yes[] = { 0x01, 0x01, 0xff };

    end = d->pos;
    sim_der_put(d, value, len);
    sim_der_head(d, 0x04, end);

    if (critical) {
        sim_der_put(d, yes, sizeof(yes));
    }

    oid[4] = last;
    sim_der_put(d, oid, sizeof(oid));
    sim_der_head(d, 0x30, end);
}
