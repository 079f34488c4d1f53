
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What a webhook is sent: the body that MicroMDM and NanoMDM send, and our own
 * events in it where they have none.
 */


#ifndef _MDM_EVENT_BODY_H_INCLUDED_
#define _MDM_EVENT_BODY_H_INCLUDED_


#include "mdm_json.h"
#include "mdm_webhook.h"


/* an entry of a stream, and what else is known of it; all as Redis has it */

typedef struct {
    mdm_str_t                 stream;      /* "partition" or name, behind the
                                              tenant's */
    mdm_str_t                 entry;       /* "ms-number" */
    mdm_str_t                 name;        /* mdm.Connect … */
    mdm_str_t                 id;          /* key form */
    mdm_str_t                 data;        /* JSON */
    json_t                   *parsed;      /* the same, of the arena; NULL: it
                                              was not looked at yet */
    mdm_str_t                 params;      /* the query of the request */
    mdm_str_t                 type;        /* of the enrollment; empty: it is
                                              not known any more */
    mdm_str_t                 parent;      /* key form, or empty */
    mdm_str_t                 payload;     /* message or result, opened */
    mdm_uint_t                lost;        /* 1: there was one */
} mdm_event_t;


/* "tenant.stream.entry", the same at every attempt; MDM_OK or MDM_ERROR */
mdm_int_t mdm_event_id(mdm_arena_t *arena, const mdm_str_t *tenant,
    const mdm_event_t *event, mdm_str_t *dst);

/*
 * The body.  Where the webhook is to get no secrets, they are taken out of the
 * payload; one that cannot be read is left out then.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_event_body(mdm_arena_t *arena, const mdm_webhook_t *webhook,
    const mdm_str_t *tenant, const mdm_event_t *event, mdm_str_t *body);

/*
 * HMAC-SHA256 that has this key: to look for it and to set it up would take
 * longer than a body.  NULL: no memory.  EVP_MAC_CTX_free() frees it, and wipes
 * the key.
 */
EVP_MAC_CTX *mdm_event_hmac_create(const mdm_str_t *key);

/* base64 of it for the body, from any thread; MDM_OK or MDM_ERROR */
mdm_int_t mdm_event_hmac(mdm_arena_t *arena, const EVP_MAC_CTX *hmac,
    const mdm_str_t *body, mdm_str_t *dst);


#endif /* _MDM_EVENT_BODY_H_INCLUDED_ */
