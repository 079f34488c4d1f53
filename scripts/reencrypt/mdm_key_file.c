
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The files of "encryption_key", for programs.
 */


#include "mdm_key_file.h"
#include "mdm_server.h"


void
mdm_key_file(mdm_secret_keys_t *keys, const char *name)
{
    u_char       buf[MDM_SECRET_FILE + 1], raw[MDM_SECRET_RAW];
    mdm_int_t    rc;
    mdm_str_t    text;
    const char  *why;

    text.data = buf;
    text.len = mdm_read_file(name, buf, sizeof(buf));

    rc = mdm_secret_key_read(raw, &text, &why);

    OPENSSL_cleanse(buf, sizeof(buf));

    if (rc != MDM_OK) {
        mdm_trouble("%s %s", name, why);
    }

    rc = mdm_secret_key_add(keys, raw);

    OPENSSL_cleanse(raw, sizeof(raw));

    if (rc != MDM_OK) {
        mdm_trouble("%s: %s", name,
                    (rc == MDM_ERROR) ? "OpenSSL cannot set the key up"
                    : (keys->n == MDM_SECRET_KEYS) ? "too many keys"
                    : "the same key as another one");
    }
}
