
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The DeclarationsToken on its way to a device: the answer to "tokens", the
 * command that tells that declarations changed, and the token in it.
 */


#ifndef _MDM_DDM_TOKEN_H_INCLUDED_
#define _MDM_DDM_TOKEN_H_INCLUDED_


#include "mdm_exchange.h"


/* the token of a channel without declarations: SHA-1 of nothing */

#define MDM_DDM_EMPTY_TOKEN   "da39a3ee5e6b4b0d3255bfef95601890afd80709"


/*
 * TokensResponse, as JSON.  "token" as a script answers it, empty for no
 * declarations; "time" are Unix seconds in digits.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_ddm_tokens(mdm_arena_t *arena, const mdm_str_t *token,
    const mdm_str_t *time, mdm_str_t *json);

/*
 * The plist of a DeclarativeManagement command without Data: one for many
 * channels.  "uuid" is one of mdm_uuid().  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_ddm_command(mdm_arena_t *arena, const mdm_str_t *uuid,
    mdm_str_t *plist);

/*
 * Puts Data, a TokensResponse, into such a plist: *plist is then another one,
 * of the arena.  MDM_OK; MDM_DECLINED: there is no place for it, *plist is
 * as it was; MDM_ERROR.
 */
mdm_int_t mdm_ddm_splice(mdm_arena_t *arena, mdm_str_t *plist,
    const mdm_str_t *token, const mdm_str_t *time);

/*
 * A new command for a script of the partition "tag" that may tell a channel:
 * its UUID and its body, sealed.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_ddm_notify_args(mdm_exchange_t *x, const mdm_str_t *tag,
    mdm_str_t *uuid, mdm_str_t *body);


#endif /* _MDM_DDM_TOKEN_H_INCLUDED_ */
