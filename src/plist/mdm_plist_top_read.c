
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What the readers of a top level share: keys, members, texts of numbers.
 */


#include "mdm_number.h"
#include "mdm_plist_top_read.h"


static uint64_t mdm_top_uint(const u_char *p, size_t n);
static mdm_int_t mdm_top_integer(mdm_arena_t *arena, const u_char *p,
    size_t n, mdm_top_value_t *value);
static mdm_int_t mdm_top_real(mdm_arena_t *arena, double number,
    mdm_top_value_t *value);


mdm_uint_t
mdm_top_find(const mdm_top_read_t *r, const u_char *name, size_t len)
{
    mdm_uint_t  i;

    for (i = 0; i < r->n; i++) {
        if (r->keys[i].name.len == len
            && memcmp(r->keys[i].name.data, name, len) == 0)
        {
            break;
        }
    }

    return i;
}


mdm_uint_t
mdm_top_more(mdm_top_read_t *r)
{
    return r->top->nmembers < MDM_TOP_MEMBERS
           && r->top->bytes < MDM_TOP_BYTES
           && r->looked++ < MDM_TOP_LOOKED;
}


mdm_int_t
mdm_top_add(mdm_top_read_t *r, mdm_uint_t key, const mdm_str_t *name,
    const mdm_top_value_t *value)
{
    mdm_top_t         *top;
    mdm_top_member_t  *m;

    top = r->top;

    switch (value->type) {

    case MDM_TOP_STRING:
    case MDM_TOP_BOOL:
    case MDM_TOP_INTEGER:
    case MDM_TOP_REAL:
        break;

    default:
        return MDM_OK;
    }

    if (name->len + value->text.len > MDM_TOP_BYTES - top->bytes) {
        return MDM_OK;
    }

    if (top->members == NULL) {
        top->members = mdm_arena_alloc(r->arena, MDM_TOP_MEMBERS
                                                 * sizeof(mdm_top_member_t));
        if (top->members == NULL) {
            return MDM_ERROR;
        }
    }

    m = &top->members[top->nmembers++];

    m->key = key;
    m->type = value->type;
    m->name = *name;
    m->text = value->text;

    top->bytes += name->len + value->text.len;

    return MDM_OK;
}


mdm_int_t
mdm_top_number(mdm_arena_t *arena, const u_char *object,
    mdm_top_value_t *value)
{
    float      f;
    double     d;
    size_t     n;
    uint32_t   word;
    uint64_t   bits;

    n = (size_t) 1 << (*object & 0x0f);

    if ((*object & 0xf0) == 0x10) {
        return mdm_top_integer(arena, object + 1, n, value);
    }

    bits = mdm_top_uint(object + 1, n);

    if (n == sizeof(float)) {
        word = (uint32_t) bits;
        memcpy(&f, &word, sizeof(float));

        return mdm_top_real(arena, (double) f, value);
    }

    memcpy(&d, &bits, sizeof(double));

    return mdm_top_real(arena, d, value);
}


/* 8 bytes are signed, fewer are not, of 16 the upper half is 0 */

static mdm_int_t
mdm_top_integer(mdm_arena_t *arena, const u_char *p, size_t n,
    mdm_top_value_t *value)
{
    uint64_t  v;

    value->type = MDM_TOP_INTEGER;

    if (n > 8) {

        if (n != 16 || mdm_top_uint(p, 8) != 0) {
            value->type = MDM_TOP_BAD;
            return MDM_OK;
        }

        return mdm_printf(arena, &value->text, "%llu",
                          (unsigned long long) mdm_top_uint(p + 8, 8));
    }

    v = mdm_top_uint(p, n);

    if (n == 8) {
        return mdm_printf(arena, &value->text, "%lld", (long long) v);
    }

    return mdm_printf(arena, &value->text, "%llu", (unsigned long long) v);
}


/* the fewest digits that read back as the same number */

static mdm_int_t
mdm_top_real(mdm_arena_t *arena, double number, mdm_top_value_t *value)
{
    /* not a number, and the infinities */

    if (number - number != 0.0) {
        value->type = MDM_TOP_BAD;
        return MDM_OK;
    }

    value->type = MDM_TOP_REAL;

    return mdm_printf(arena, &value->text, "%.*g", mdm_real_digits(number),
                      number);
}


static uint64_t
mdm_top_uint(const u_char *p, size_t n)
{
    uint64_t  value;

    value = 0;

    while (n-- != 0) {
        value = value << 8 | *p++;
    }

    return value;
}
