
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What tells a device of its declarations: TokensResponse, and the command
 * DeclarativeManagement that carries it.
 */


#ifndef _MDM_DDM_TOKEN_H_INCLUDED_
#define _MDM_DDM_TOKEN_H_INCLUDED_


#include "mdm_base.h"


/* the DeclarationsToken of a channel without declarations: SHA-1 of "" */
#define MDM_DDM_NO_TOKEN      "da39a3ee5e6b4b0d3255bfef95601890afd80709"


/*
 * The command without Data, an XML plist; it makes the device ask for its
 * tokens.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_ddm_command(mdm_arena_t *arena, mdm_str_t *dst,
    const mdm_str_t *uuid);

/*
 * TokensResponse as JSON.  "token" is the DeclarationsToken, empty for a
 * channel without declarations; "time" is since when, Unix seconds as digits.
 */
mdm_int_t mdm_ddm_tokens(mdm_arena_t *arena, mdm_str_t *dst,
    const mdm_str_t *token, const mdm_str_t *time);

/*
 * Puts TokensResponse into a command as its Data.  A body that is not one of
 * mdm_ddm_command() stays as it is.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_ddm_splice(mdm_arena_t *arena, mdm_str_t *body,
    const mdm_str_t *token, const mdm_str_t *time);


#endif /* _MDM_DDM_TOKEN_H_INCLUDED_ */
