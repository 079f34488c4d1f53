
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Enrolment profiles.  Of one all is ready but a few values: libplist writes it
 * once, when the configuration is read, and from then on values are put between
 * its pieces.
 */


#include "mdm_plist_xml.h"
#include "mdm_profile.h"


/* what a value is, besides the UUIDs of payloads, which are numbered from 0 */

#define MDM_PROFILE_TOPIC      ((mdm_uint_t) -1)
#define MDM_PROFILE_CHALLENGE  ((mdm_uint_t) -2)
#define MDM_PROFILE_IDENTITY   ((mdm_uint_t) -3)
#define MDM_PROFILE_NOTHING    ((mdm_uint_t) -4)


typedef struct {
    mdm_str_t                 text;        /* of XML, in front of the value */
    mdm_uint_t                value;
} mdm_profile_piece_t;

struct mdm_profile_form_s {
    const char              **payloads;    /* whose UUIDs follow from tenant and
                                              block */
    mdm_uint_t                npayloads;
    mdm_profile_piece_t      *pieces;
    mdm_uint_t                npieces;
};


/* a value, as it is looked for and as it is put */

typedef struct {
    mdm_str_t                *uuids;
    mdm_str_t                 topic;
    mdm_str_t                 challenge;
    mdm_str_t                 identity;
} mdm_profile_values_t;


static mdm_int_t mdm_profile_payloads(mdm_arena_t *arena,
    const mdm_enroll_block_t *block, mdm_profile_form_t *form);
static mdm_int_t mdm_profile_uuids(mdm_arena_t *arena, const mdm_profile_t *p,
    const mdm_profile_form_t *form, mdm_profile_values_t *values);
static mdm_int_t mdm_profile_cut(mdm_arena_t *arena, mdm_profile_form_t *form,
    const mdm_profile_values_t *values, const mdm_str_t *xml);
static mdm_uint_t mdm_profile_next(const mdm_profile_form_t *form,
    const mdm_profile_values_t *values, const mdm_str_t *rest,
    const u_char **at);
static const mdm_str_t *mdm_profile_value(const mdm_profile_values_t *values,
    mdm_uint_t value);
static mdm_uint_t mdm_profile_is_plain(const mdm_str_t *text);


mdm_int_t
mdm_profile_prepare(mdm_arena_t *arena, mdm_enroll_block_t *block)
{
    plist_t                tree;
    mdm_int_t              rc;
    mdm_str_t              xml;
    mdm_profile_t          p;
    mdm_profile_form_t    *form;
    mdm_profile_values_t   values;

    memset(&p, 0, sizeof(mdm_profile_t));
    p.block = block;

    form = mdm_arena_zalloc(arena, sizeof(mdm_profile_form_t));

    /*
     * Values that are random can be found again, and stand nowhere else: those
     * of payloads are random since the tenant's name is
     */

    if (form == NULL
        || mdm_uuid(arena, &p.tenant) != MDM_OK
        || mdm_uuid(arena, &p.topic) != MDM_OK
        || mdm_uuid(arena, &p.challenge) != MDM_OK
        || mdm_profile_payloads(arena, block, form) != MDM_OK
        || mdm_profile_uuids(arena, &p, form, &values) != MDM_OK)
    {
        return MDM_ERROR;
    }

    tree = mdm_profile_tree(arena, &p, &values.identity);
    if (tree == NULL) {
        return MDM_ERROR;
    }

    rc = mdm_plist_xml(arena, tree, &xml);
    plist_free(tree);

    if (rc != MDM_OK
        || mdm_profile_cut(arena, form, &values, &xml) != MDM_OK)
    {
        return MDM_ERROR;
    }

    block->form = form;

    return MDM_OK;
}


mdm_int_t
mdm_profile_make(mdm_arena_t *arena, const mdm_profile_t *p, mdm_str_t *out)
{
    if (mdm_profile_enrollment(arena, p, out) != MDM_OK) {
        return MDM_ERROR;
    }

    if (p->plain || p->block->sign == NULL) {
        return MDM_OK;
    }

    return mdm_profile_sign(arena, p->block, out, out);
}


mdm_int_t
mdm_profile_enrollment(mdm_arena_t *arena, const mdm_profile_t *p,
    mdm_str_t *xml)
{
    plist_t    profile;
    mdm_int_t  rc;
    mdm_str_t  identity;

    if (p->recipient == NULL) {
        rc = mdm_profile_fill(arena, p, xml);

        if (rc != MDM_DECLINED) {
            return rc;
        }
    }

    profile = mdm_profile_tree(arena, p, &identity);
    if (profile == NULL) {
        return MDM_ERROR;
    }

    rc = mdm_profile_encrypt(arena, p, profile);

    if (rc == MDM_OK) {
        rc = mdm_plist_xml(arena, profile, xml);
    }

    plist_free(profile);

    return rc;
}


mdm_int_t
mdm_profile_fill(mdm_arena_t *arena, const mdm_profile_t *p, mdm_str_t *xml)
{
    u_char                     *last;
    mdm_uint_t                  i;
    const mdm_str_t            *value;
    mdm_profile_values_t        values;
    const mdm_profile_form_t   *form;
    const mdm_profile_piece_t  *piece;

    form = p->block->form;

    if (form == NULL
        || !mdm_profile_is_plain(&p->topic)
        || !mdm_profile_is_plain(&p->challenge))
    {
        return MDM_DECLINED;
    }

    if (mdm_profile_uuids(arena, p, form, &values) != MDM_OK
        || mdm_uuid(arena, &values.identity) != MDM_OK)
    {
        return MDM_ERROR;
    }

    xml->len = 0;

    for (i = 0; i < form->npieces; i++) {
        piece = &form->pieces[i];
        value = mdm_profile_value(&values, piece->value);
        xml->len += piece->text.len + value->len;
    }

    xml->data = mdm_arena_alloc(arena, xml->len);
    if (xml->data == NULL) {
        return MDM_ERROR;
    }

    last = xml->data;

    for (i = 0; i < form->npieces; i++) {
        piece = &form->pieces[i];
        value = mdm_profile_value(&values, piece->value);

        memcpy(last, piece->text.data, piece->text.len);
        last += piece->text.len;

        if (value->len != 0) {
            memcpy(last, value->data, value->len);
            last += value->len;
        }
    }

    return MDM_OK;
}


/* those of mdm_profile_tree() */

static mdm_int_t
mdm_profile_payloads(mdm_arena_t *arena, const mdm_enroll_block_t *block,
    mdm_profile_form_t *form)
{
    mdm_str_t   what;
    mdm_uint_t  i;

    form->payloads = mdm_arena_alloc(arena,
                                     (block->ntrust + 2) * sizeof(char *));
    if (form->payloads == NULL) {
        return MDM_ERROR;
    }

    form->payloads[0] = "";
    form->payloads[1] = "mdm";
    form->npayloads = 2;

    for (i = 0; i < block->ntrust; i++) {

        if (mdm_profile_trusted(arena, &block->trust[i], &what) != MDM_OK) {
            return MDM_ERROR;
        }

        form->payloads[form->npayloads++] = (char *) what.data;
    }

    return MDM_OK;
}


/* all values but the identity's */

static mdm_int_t
mdm_profile_uuids(mdm_arena_t *arena, const mdm_profile_t *p,
    const mdm_profile_form_t *form, mdm_profile_values_t *values)
{
    mdm_uint_t  i;

    values->topic = p->topic;
    values->challenge = p->challenge;
    values->uuids = mdm_arena_alloc(arena,
                                    form->npayloads * sizeof(mdm_str_t));
    if (values->uuids == NULL) {
        return MDM_ERROR;
    }

    for (i = 0; i < form->npayloads; i++) {

        if (mdm_profile_uuid(arena, p, form->payloads[i], &values->uuids[i])
            != MDM_OK)
        {
            return MDM_ERROR;
        }
    }

    return MDM_OK;
}


static mdm_int_t
mdm_profile_cut(mdm_arena_t *arena, mdm_profile_form_t *form,
    const mdm_profile_values_t *values, const mdm_str_t *xml)
{
    mdm_str_t             rest;
    mdm_uint_t            n;
    const u_char         *at;
    mdm_profile_piece_t  *piece;

    /* each UUID of a payload, those of certificates three times by "pin" */

    n = 3 * form->npayloads + 8;

    form->pieces = mdm_arena_alloc(arena, n * sizeof(mdm_profile_piece_t));
    if (form->pieces == NULL) {
        return MDM_ERROR;
    }

    rest = *xml;

    while (form->npieces < n) {
        piece = &form->pieces[form->npieces++];
        piece->value = mdm_profile_next(form, values, &rest, &at);

        piece->text.data = rest.data;
        piece->text.len = (size_t) (at - rest.data);

        if (piece->value == MDM_PROFILE_NOTHING) {
            return MDM_OK;
        }

        at += mdm_profile_value(values, piece->value)->len;
        rest.len -= (size_t) (at - rest.data);
        rest.data = (u_char *) at;
    }

    return mdm_arena_failed(arena, "mdm_profile_cut");
}


/* the first value in the rest of the text, and where it is; or the end */

static mdm_uint_t
mdm_profile_next(const mdm_profile_form_t *form,
    const mdm_profile_values_t *values, const mdm_str_t *rest,
    const u_char **at)
{
    mdm_uint_t        i, value, found;
    const u_char     *p;
    const mdm_str_t  *text;

    static const mdm_uint_t  others[] = {
        MDM_PROFILE_TOPIC, MDM_PROFILE_CHALLENGE, MDM_PROFILE_IDENTITY
    };

    found = MDM_PROFILE_NOTHING;
    *at = rest->data + rest->len;

    for (i = 0; i < form->npayloads + 3; i++) {
        value = (i < 3) ? others[i] : i - 3;
        text = mdm_profile_value(values, value);

        p = mdm_xml_find(rest->data, *at, (char *) text->data, text->len);

        if (p != NULL) {
            found = value;
            *at = p;
        }
    }

    return found;
}


static const mdm_str_t *
mdm_profile_value(const mdm_profile_values_t *values, mdm_uint_t value)
{
    static const mdm_str_t  nothing = mdm_string("");

    switch (value) {

    case MDM_PROFILE_TOPIC:
        return &values->topic;

    case MDM_PROFILE_CHALLENGE:
        return &values->challenge;

    case MDM_PROFILE_IDENTITY:
        return &values->identity;

    case MDM_PROFILE_NOTHING:
        return &nothing;

    default:
        return &values->uuids[value];
    }
}


/* is it there, and in XML as it is? */

static mdm_uint_t
mdm_profile_is_plain(const mdm_str_t *text)
{
    size_t  i;

    for (i = 0; i < text->len; i++) {
        if (text->data[i] == '<' || text->data[i] == '>'
            || text->data[i] == '&')
        {
            return 0;
        }
    }

    return text->len != 0;
}
