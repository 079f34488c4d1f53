
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The tokens of a predicate.
 */


#ifndef _MDM_DDM_PREDICATE_TOKEN_H_INCLUDED_
#define _MDM_DDM_PREDICATE_TOKEN_H_INCLUDED_


#include "mdm_base.h"


typedef enum {
    MDM_DDM_TOKEN_END = 0,
    MDM_DDM_TOKEN_WRONG,               /* no token: what */
    MDM_DDM_TOKEN_OUTSIDE,             /* of NSPredicate, but not checked
                                          here: what */
    MDM_DDM_TOKEN_CHAR,                /* ( ) { } [ ] , . - : its first byte */
    MDM_DDM_TOKEN_NAME,                /* part of a key path */
    MDM_DDM_TOKEN_NUMBER,
    MDM_DDM_TOKEN_STRING,
    MDM_DDM_TOKEN_CONSTANT,            /* TRUE, NULL, … */
    MDM_DDM_TOKEN_VARIABLE,            /* $name */
    MDM_DDM_TOKEN_TEXT,                /* ${name}: whatever is filled in */
    MDM_DDM_TOKEN_ITEM,                /* @status(name), …: word, name */
    MDM_DDM_TOKEN_AT,                  /* @count, … */
    MDM_DDM_TOKEN_COMPARE,             /* ==, <, … */
    MDM_DDM_TOKEN_TEXTUAL,             /* BEGINSWITH, LIKE, … */
    MDM_DDM_TOKEN_CONTAINS,
    MDM_DDM_TOKEN_IN,
    MDM_DDM_TOKEN_BETWEEN,
    MDM_DDM_TOKEN_AND,
    MDM_DDM_TOKEN_OR,
    MDM_DDM_TOKEN_NOT,
    MDM_DDM_TOKEN_ANY,                 /* ANY, ALL, NONE, SOME */
    MDM_DDM_TOKEN_PREDICATE,           /* TRUEPREDICATE, FALSEPREDICATE */
    MDM_DDM_TOKEN_SUBQUERY
} mdm_ddm_token_e;


typedef struct {
    mdm_ddm_token_e           type;
    const u_char             *start;
    const u_char             *end;
    const char               *what;
    mdm_str_t                 word;        /* of an item: "status", … */
    mdm_str_t                 name;        /* of an item, without quotes */
    mdm_uint_t                quoted;      /* the name has quotes */
    mdm_uint_t                spaced;      /* the name has spaces */
} mdm_ddm_token_t;


/*
 * The token at "p", or behind white space there; END, WRONG and OUTSIDE end
 * the text.  What a token holds stays in the text.
 */
void mdm_ddm_predicate_token(mdm_ddm_token_t *token, const u_char *p,
    const u_char *end);

/*
 * Brackets and quotes of any text: NULL if each is closed by its like, else
 * what is wrong, and *at says where.  Brackets deeper than "depth" (64 at
 * most) are not looked at.
 */
const char *mdm_ddm_predicate_brackets(const mdm_str_t *text,
    mdm_uint_t depth, const u_char **at);


#endif /* _MDM_DDM_PREDICATE_TOKEN_H_INCLUDED_ */
