
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The DeclarationsToken: its answer, and the command that carries it.
 */


#include "mdm_date.h"
#include "mdm_ddm_token.h"
#include "mdm_json_write.h"
#include "mdm_exchange_secret.h"


#define MDM_DDM_REQUEST       "<string>DeclarativeManagement</string>\n"


mdm_int_t
mdm_ddm_tokens(mdm_arena_t *arena, const mdm_str_t *token,
    const mdm_str_t *time, mdm_str_t *json)
{
    u_char          date[MDM_DATE_LEN];
    int64_t         seconds;
    mdm_str_t       s, when;
    mdm_json_out_t  j;

    if (mdm_atoi(time, &seconds) != MDM_OK
        || mdm_date_unix(date, seconds) != MDM_OK)
    {
        (void) mdm_date_unix(date, 0);
    }

    mdm_str_set(&s, MDM_DDM_EMPTY_TOKEN);

    if (token->len != 0) {
        s = *token;
    }

    when.data = date;
    when.len = MDM_DATE_LEN;

    mdm_json_init(&j, arena, 256);
    mdm_json_open(&j, NULL, '{');
    mdm_json_open(&j, "SyncTokens", '{');
    mdm_json_str(&j, "DeclarationsToken", &s);
    mdm_json_str(&j, "Timestamp", &when);
    mdm_json_close(&j, '}');
    mdm_json_close(&j, '}');

    return mdm_json_end(&j, json);
}


mdm_int_t
mdm_ddm_command(mdm_arena_t *arena, const mdm_str_t *uuid, mdm_str_t *plist)
{
    return mdm_printf(arena, plist,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "
        "\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"
        "<plist version=\"1.0\">\n"
        "<dict>\n"
        "\t<key>Command</key>\n"
        "\t<dict>\n"
        "\t\t<key>RequestType</key>\n"
        "\t\t" MDM_DDM_REQUEST
        "\t</dict>\n"
        "\t<key>CommandUUID</key>\n"
        "\t<string>%.*s</string>\n"
        "</dict>\n"
        "</plist>\n", mdm_fmt(uuid));
}


mdm_int_t
mdm_ddm_splice(mdm_arena_t *arena, mdm_str_t *plist, const mdm_str_t *token,
    const mdm_str_t *time)
{
    size_t     i, len;
    mdm_str_t  json, data, head, tail;

    len = sizeof(MDM_DDM_REQUEST) - 1;

    for (i = 0; i + len <= plist->len; i++) {

        if (memcmp(plist->data + i, MDM_DDM_REQUEST, len) == 0) {
            goto found;
        }
    }

    return MDM_DECLINED;

found:

    head.data = plist->data;
    head.len = i + len;

    tail.data = plist->data + head.len;
    tail.len = plist->len - head.len;

    if (mdm_ddm_tokens(arena, token, time, &json) != MDM_OK
        || mdm_base64(arena, &data, &json) != MDM_OK)
    {
        return MDM_ERROR;
    }

    return mdm_printf(arena, plist, "%.*s\t\t<key>Data</key>\n"
                      "\t\t<data>%.*s</data>\n%.*s", mdm_fmt(&head),
                      mdm_fmt(&data), mdm_fmt(&tail));
}


mdm_int_t
mdm_ddm_notify_args(mdm_exchange_t *x, const mdm_str_t *tag, mdm_str_t *uuid,
    mdm_str_t *body)
{
    mdm_secret_where_t  where;

    if (mdm_uuid(x->arena, uuid) != MDM_OK
        || mdm_ddm_command(x->arena, uuid, body) != MDM_OK)
    {
        return MDM_ERROR;
    }

    mdm_where_command(&where, tag, uuid);

    return mdm_exchange_seal(x, x->arena, &where, body, NULL);
}
