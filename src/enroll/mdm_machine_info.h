
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * MachineInfo: what a device says of itself before it is enrolled, signed with
 * the certificate that Apple gave it.  The attributes of the Profile Service
 * are the same under other names.
 */


#ifndef _MDM_MACHINE_INFO_H_INCLUDED_
#define _MDM_MACHINE_INFO_H_INCLUDED_


#include "mdm_cms.h"
#include "mdm_json_write.h"


/* bytes of a signed one; devices send about 6 kB */
#define MDM_MACHINE_INFO_SIZE  65536

/* bytes of a text in it */
#define MDM_MACHINE_INFO_TEXT  255


/* texts may be empty, but for udid and serial */

typedef struct {
    mdm_str_t                 udid;
    mdm_str_t                 serial;
    mdm_str_t                 product;     /* "iPhone17,2" */
    mdm_str_t                 build;       /* "22B83" */
    mdm_str_t                 os;          /* "18.1" */
    mdm_str_t                 os_extra;    /* "(a)" */
    mdm_str_t                 imei;
    mdm_str_t                 meid;
    mdm_str_t                 language;
    mdm_str_t                 name;        /* Profile Service only, ... */
    mdm_str_t                 mac;
    mdm_str_t                 challenge;   /* ... as this; it may be longer */
    mdm_uint_t                can_update;  /* 1: it may be told to */
} mdm_machine_info_t;


/*
 * Verifies the outside, before a byte of the content is read: exactly one
 * signer, whose chain leads to any certificate of "apple", by signatures alone,
 * SHA-1 among them.  "apple" also stands in for intermediates that were not
 * sent.  Some 0.6 ms: work.  MDM_OK: message->content is what was signed.
 * MDM_DECLINED or MDM_CMS_MALFORMED with *why, a constant; MDM_ERROR.
 */
mdm_int_t mdm_machine_info_verify(mdm_arena_t *arena, const mdm_str_t *der,
    X509_STORE *apple, mdm_cms_message_t *message, const char **why);

/*
 * Reads the content.  Texts live as long as the arena.  MDM_OK; MDM_DECLINED:
 * it is no plist, has no UDID or serial number, or has a text that is not
 * usable: *why, a constant; MDM_ERROR.
 */
mdm_int_t mdm_machine_info_read(mdm_arena_t *arena, const mdm_str_t *plist,
    const mdm_limits_t *limits, mdm_machine_info_t *info, const char **why);

/*
 * As members of a JSON object, and from there again: for what is carried
 * through a login.  MDM_OK; MDM_DECLINED: these are none; MDM_ERROR.
 */
void mdm_machine_info_write(mdm_json_out_t *j, const mdm_machine_info_t *info);
mdm_int_t mdm_machine_info_load(mdm_arena_t *arena, json_t *object,
    mdm_machine_info_t *info);


#endif /* _MDM_MACHINE_INFO_H_INCLUDED_ */
