
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * For the unit tests of src/device/mdm_command*.c.
 */


#ifndef _MDM_UNIT_COMMAND_H_INCLUDED_
#define _MDM_UNIT_COMMAND_H_INCLUDED_


#include "instance.h"

#include <stdio.h>

#include "mdm_command.h"
#include "mdm_exchange.h"
#include "mdm_unit_arena.h"


static mdm_command_t   command;

static const mdm_limits_t  limits = { MDM_PLIST_DEPTH, MDM_PLIST_NODES };


#define PLIST(root)                                                           \
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<plist version=\"1.0\">"     \
    root "</plist>\n"

#define UUID     "<key>CommandUUID</key><string>C-1</string>"
#define COMMAND(keys)  "<key>Command</key><dict>" keys "</dict>"
#define TYPE(name)  "<key>RequestType</key><string>" name "</string>"

#define ok(expression)  assert_int_equal(expression, MDM_OK)

#define refused(expression, text)                                             \
    assert_int_equal(expression, MDM_DECLINED);                               \
    assert_string_equal(error_text(), text)


static inline mdm_int_t
read_bytes(const void *data, size_t len, mdm_uint_t json, mdm_uint_t validate)
{
    u_char     *copy;
    mdm_int_t   rc;
    mdm_str_t   in;

    /* of the exact length, so that a byte too far is seen */

    copy = malloc((len == 0) ? 1 : len);
    assert_non_null(copy);
    memcpy(copy, data, len);

    in.data = copy;
    in.len = len;

    rc = mdm_command_read(arena, &in, json, validate, &limits, &command);

    assert_true(rc == MDM_OK || rc == MDM_DECLINED);
    assert_true((rc == MDM_DECLINED) == (command.error.len != 0));

    /* the caller's bytes, and no others, where nothing is to be added */

    if (rc == MDM_OK && command.body.data == copy) {
        assert_false(json);
        assert_int_equal(command.body.len, len);
        ok(mdm_str_dup(arena, &command.body, &command.body));
    }

    free(copy);

    return rc;
}


static inline mdm_int_t
read_raw(const char *text, mdm_uint_t validate)
{
    return read_bytes(text, strlen(text), 0, validate);
}


static inline mdm_int_t
read_json(const char *text, mdm_uint_t validate)
{
    return read_bytes(text, strlen(text), 1, validate);
}


static inline const char *
error_text(void)
{
    mdm_str_t  text;

    ok(mdm_printf(arena, &text, "%.*s", mdm_fmt(&command.error)));

    return (const char *) text.data;
}


static inline const char *
first_warning(void)
{
    mdm_str_t  text;

    if (command.schema.warnings == NULL) {
        return "";
    }

    ok(mdm_printf(arena, &text, "%.*s",
                  mdm_fmt(&command.schema.warnings->text)));

    return (const char *) text.data;
}


/* the body as a device reads it */

static inline plist_t
body(void)
{
    plist_t      root;
    const char  *why;

    root = NULL;
    why = "";

    if (mdm_plist_parse(arena, &command.body, &limits, &root, &why)
        != MDM_OK)
    {
        fail_msg("the body is no plist: %s", why);
    }

    return root;
}


static inline char *
xml(plist_t plist)
{
    char      *text;
    uint32_t   len;

    text = NULL;
    plist_to_xml(plist, &text, &len);
    assert_non_null(text);

    return text;
}


/* 1 if the body has the text somewhere */

static inline mdm_uint_t
has(const char *text)
{
    mdm_str_t  s;

    ok(mdm_printf(arena, &s, "%.*s", mdm_fmt(&command.body)));

    return strstr((char *) s.data, text) != NULL;
}


#endif /* _MDM_UNIT_COMMAND_H_INCLUDED_ */
