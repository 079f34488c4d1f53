
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A look at DER or BER before OpenSSL makes objects of all that is in it, each
 * of which takes many times the octets that it comes in, and a certificate
 * much time.
 */


#ifndef _MDM_DER_H_INCLUDED_
#define _MDM_DER_H_INCLUDED_


#include "mdm_base.h"


/* values within values */
#define MDM_DER_DEPTH   40

/*
 * What a message may have of them: so many, which is the sender's chain of
 * certificates and more, and one for each so many octets, which is content in
 * pieces, as BER has it.
 */
#define MDM_DER_VALUES  1000
#define MDM_DER_OCTETS  1000


/*
 * MDM_DECLINED with *why, a constant, where it has more values, or deeper ones,
 * than any message needs, or where they do not fit into each other.  Whether it
 * is what it should be, OpenSSL says.
 */
mdm_int_t mdm_der_check(const mdm_str_t *der, const char **why);


#endif /* _MDM_DER_H_INCLUDED_ */
