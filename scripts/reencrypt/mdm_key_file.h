
/*
 * Copyright (C) ngx_mdm_module authors
 */


#ifndef _MDM_KEY_FILE_H_INCLUDED_
#define _MDM_KEY_FILE_H_INCLUDED_


#include "mdm_secret.h"


/*
 * Adds the key of a file of "encryption_key" behind the others; a file that
 * holds none ends the program with a message.
 */
void mdm_key_file(mdm_secret_keys_t *keys, const char *name);


#endif /* _MDM_KEY_FILE_H_INCLUDED_ */
