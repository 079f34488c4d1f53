
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Parses the predicate of an activation.
 */


#include "mdm_ddm_check.h"
#include "mdm_ddm_item.h"
#include "mdm_ddm_predicate.h"
#include "mdm_ddm_predicate_token.h"
#include "mdm_exchange.h"


/* what an expression is; a predicate is none */

typedef enum {
    MDM_DDM_IS_PREDICATE = 0,
    MDM_DDM_IS_VALUE,                  /* known on the device only */
    MDM_DDM_IS_NUMBER,
    MDM_DDM_IS_STRING,
    MDM_DDM_IS_CONSTANT,
    MDM_DDM_IS_PAIR,                   /* {a, b} */
    MDM_DDM_IS_LIST                    /* {a, …} of any other length */
} mdm_ddm_is_e;


typedef struct {
    mdm_arena_t              *arena;
    const char               *place;
    const u_char             *start;
    const u_char             *end;
    mdm_ddm_token_t           token;       /* the next one */
    mdm_schema_result_t      *result;
    mdm_uint_t                strict;
    mdm_uint_t                depth;
    const char               *what;        /* ends the parse */
    const u_char             *at;
} mdm_ddm_predicate_t;


#define mdm_ddm_predicate_is(pr, c)                                           \
    ((pr)->token.type == MDM_DDM_TOKEN_CHAR && *(pr)->token.start == (c))


/*
 * All return MDM_OK; MDM_DECLINED: it is wrong, pr->what, or where that is
 * NULL refused for a name; MDM_DONE: pr->what is not checked, nor what
 * follows; MDM_ERROR.
 */
static mdm_int_t mdm_ddm_predicate_or(mdm_ddm_predicate_t *pr,
    mdm_ddm_is_e *is);
static mdm_int_t mdm_ddm_predicate_chain(mdm_ddm_predicate_t *pr,
    mdm_ddm_token_e operator, mdm_ddm_is_e *is);
static mdm_int_t mdm_ddm_predicate_not(mdm_ddm_predicate_t *pr,
    mdm_ddm_is_e *is);
static mdm_int_t mdm_ddm_predicate_comparison(mdm_ddm_predicate_t *pr,
    mdm_ddm_is_e *is);
static mdm_int_t mdm_ddm_predicate_options(mdm_ddm_predicate_t *pr);
static mdm_int_t mdm_ddm_predicate_right(mdm_ddm_predicate_t *pr,
    mdm_ddm_token_e operator);
static mdm_int_t mdm_ddm_predicate_operand(mdm_ddm_predicate_t *pr,
    mdm_ddm_is_e *is);
static mdm_int_t mdm_ddm_predicate_path(mdm_ddm_predicate_t *pr,
    mdm_ddm_is_e *is);
static mdm_int_t mdm_ddm_predicate_index(mdm_ddm_predicate_t *pr);
static mdm_int_t mdm_ddm_predicate_primary(mdm_ddm_predicate_t *pr,
    mdm_ddm_is_e *is);
static mdm_int_t mdm_ddm_predicate_mark(mdm_ddm_predicate_t *pr,
    mdm_ddm_is_e *is);
static mdm_int_t mdm_ddm_predicate_list(mdm_ddm_predicate_t *pr,
    mdm_ddm_is_e *is);
static mdm_int_t mdm_ddm_predicate_subquery(mdm_ddm_predicate_t *pr);
static mdm_int_t mdm_ddm_predicate_item(mdm_ddm_predicate_t *pr);
static mdm_int_t mdm_ddm_predicate_need(mdm_ddm_predicate_t *pr,
    mdm_ddm_is_e is);
static mdm_int_t mdm_ddm_predicate_next(mdm_ddm_predicate_t *pr);
static mdm_int_t mdm_ddm_predicate_expect(mdm_ddm_predicate_t *pr, u_char c,
    const char *what);
static mdm_int_t mdm_ddm_predicate_deeper(mdm_ddm_predicate_t *pr);
static mdm_int_t mdm_ddm_predicate_wrong(mdm_ddm_predicate_t *pr,
    const char *what);
static mdm_int_t mdm_ddm_predicate_outside(mdm_ddm_predicate_t *pr,
    const char *what);
static mdm_int_t mdm_ddm_predicate_say(mdm_ddm_predicate_t *pr,
    const char *what, const u_char *at);
static mdm_int_t mdm_ddm_predicate_unchecked(mdm_ddm_predicate_t *pr,
    const mdm_str_t *predicate);


mdm_int_t
mdm_ddm_predicate(mdm_arena_t *arena, const mdm_str_t *predicate,
    const char *place, mdm_uint_t strict, mdm_schema_result_t *result)
{
    mdm_int_t            rc;
    mdm_ddm_is_e         is;
    mdm_ddm_predicate_t  pr;

    memset(&pr, 0, sizeof(mdm_ddm_predicate_t));

    pr.arena = arena;
    pr.place = place;
    pr.start = predicate->data;
    pr.end = predicate->data + predicate->len;
    pr.strict = strict;
    pr.result = result;

    pr.token.end = pr.start;
    is = MDM_DDM_IS_PREDICATE;

    rc = mdm_ddm_predicate_next(&pr);

    if (rc == MDM_OK && pr.token.type == MDM_DDM_TOKEN_END) {
        return mdm_ddm_predicate_say(&pr, "is empty", pr.start);
    }

    if (rc == MDM_OK) {
        rc = mdm_ddm_predicate_or(&pr, &is);
    }

    if (rc == MDM_OK) {
        rc = mdm_ddm_predicate_need(&pr, is);
    }

    if (rc == MDM_OK && pr.token.type == MDM_DDM_TOKEN_TEXT) {
        rc = mdm_ddm_predicate_outside(&pr, "a variable");

    } else if (rc == MDM_OK && pr.token.type != MDM_DDM_TOKEN_END) {
        rc = mdm_ddm_predicate_wrong(&pr, "AND, OR or the end expected");
    }

    if (rc == MDM_DONE) {
        return mdm_ddm_predicate_unchecked(&pr, predicate);
    }

    if (rc == MDM_DECLINED && pr.what != NULL) {
        return mdm_ddm_predicate_say(&pr, pr.what, pr.at);
    }

    return rc;
}


static mdm_int_t
mdm_ddm_predicate_or(mdm_ddm_predicate_t *pr, mdm_ddm_is_e *is)
{
    return mdm_ddm_predicate_chain(pr, MDM_DDM_TOKEN_OR, is);
}


/* predicates with AND, or chains of them with OR, between them */

static mdm_int_t
mdm_ddm_predicate_chain(mdm_ddm_predicate_t *pr, mdm_ddm_token_e operator,
    mdm_ddm_is_e *is)
{
    mdm_int_t   rc;
    mdm_uint_t  n;

    for (n = 0; /* void */ ; n++) {
        rc = (operator == MDM_DDM_TOKEN_OR)
             ? mdm_ddm_predicate_chain(pr, MDM_DDM_TOKEN_AND, is)
             : mdm_ddm_predicate_not(pr, is);

        if (rc != MDM_OK || (n == 0 && pr->token.type != operator)) {
            return rc;
        }

        rc = mdm_ddm_predicate_need(pr, *is);

        if (rc != MDM_OK || pr->token.type != operator) {
            return rc;
        }

        rc = mdm_ddm_predicate_next(pr);
        if (rc != MDM_OK) {
            return rc;
        }
    }
}


static mdm_int_t
mdm_ddm_predicate_not(mdm_ddm_predicate_t *pr, mdm_ddm_is_e *is)
{
    mdm_int_t   rc;
    mdm_uint_t  negated;

    rc = MDM_OK;
    negated = 0;

    while (rc == MDM_OK && pr->token.type == MDM_DDM_TOKEN_NOT) {
        negated = 1;
        rc = mdm_ddm_predicate_next(pr);
    }

    if (rc == MDM_OK) {
        rc = mdm_ddm_predicate_comparison(pr, is);
    }

    return (rc == MDM_OK && negated) ? mdm_ddm_predicate_need(pr, *is) : rc;
}


/* a comparison, or what may become one side of it */

static mdm_int_t
mdm_ddm_predicate_comparison(mdm_ddm_predicate_t *pr, mdm_ddm_is_e *is)
{
    mdm_int_t        rc;
    mdm_uint_t       any;
    mdm_ddm_token_e  operator;

    any = (pr->token.type == MDM_DDM_TOKEN_ANY);
    rc = any ? mdm_ddm_predicate_next(pr) : MDM_OK;

    if (rc == MDM_OK) {
        rc = mdm_ddm_predicate_operand(pr, is);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    if (*is == MDM_DDM_IS_PREDICATE) {
        return any ? mdm_ddm_predicate_outside(pr, "ANY, ALL, NONE or SOME of "
                                               "a predicate")
                   : MDM_OK;
    }

    operator = pr->token.type;

    if (operator < MDM_DDM_TOKEN_COMPARE || operator > MDM_DDM_TOKEN_BETWEEN) {
        return any ? mdm_ddm_predicate_need(pr, *is) : MDM_OK;
    }

    *is = MDM_DDM_IS_PREDICATE;

    rc = mdm_ddm_predicate_next(pr);

    if (rc == MDM_OK && mdm_ddm_predicate_is(pr, '[')) {
        rc = mdm_ddm_predicate_options(pr);
    }

    return (rc == MDM_OK) ? mdm_ddm_predicate_right(pr, operator) : rc;
}


/* [c], [d], [cd] and the like, of an operator */

static mdm_int_t
mdm_ddm_predicate_options(mdm_ddm_predicate_t *pr)
{
    mdm_int_t      rc;
    const u_char  *p;

    static const char  what[] = "[c], [d] or [cd] expected";

    rc = mdm_ddm_predicate_next(pr);
    if (rc != MDM_OK) {
        return rc;
    }

    if (pr->token.type != MDM_DDM_TOKEN_NAME) {
        return mdm_ddm_predicate_wrong(pr, what);
    }

    /* n: normalized; l: by the locale */

    for (p = pr->token.start; p != pr->token.end; p++) {

        if (strchr("cdnlCDNL", *p) == NULL) {
            return mdm_ddm_predicate_wrong(pr, what);
        }
    }

    rc = mdm_ddm_predicate_next(pr);

    return (rc == MDM_OK) ? mdm_ddm_predicate_expect(pr, ']', what) : rc;
}


/* what is on the right of an operator */

static mdm_int_t
mdm_ddm_predicate_right(mdm_ddm_predicate_t *pr, mdm_ddm_token_e operator)
{
    mdm_int_t        rc;
    const char      *what;
    mdm_ddm_is_e     is;
    mdm_ddm_token_t  first;

    first = pr->token;
    what = NULL;

    rc = mdm_ddm_predicate_operand(pr, &is);
    if (rc != MDM_OK) {
        return rc;
    }

    if (is == MDM_DDM_IS_PREDICATE) {
        what = "a value expected";

    } else if (operator == MDM_DDM_TOKEN_BETWEEN
               && is != MDM_DDM_IS_VALUE && is != MDM_DDM_IS_PAIR)
    {
        what = "{lower, upper} expected behind BETWEEN";

    } else if (operator == MDM_DDM_TOKEN_IN
               && (is == MDM_DDM_IS_NUMBER || is == MDM_DDM_IS_CONSTANT))
    {
        what = "a collection expected behind IN";

    } else if (operator == MDM_DDM_TOKEN_TEXTUAL
               && is != MDM_DDM_IS_VALUE && is != MDM_DDM_IS_STRING)
    {
        what = "a string expected";
    }

    if (what == NULL) {
        return MDM_OK;
    }

    pr->token = first;

    return mdm_ddm_predicate_wrong(pr, what);
}


static mdm_int_t
mdm_ddm_predicate_operand(mdm_ddm_predicate_t *pr, mdm_ddm_is_e *is)
{
    mdm_int_t  rc;

    rc = mdm_ddm_predicate_primary(pr, is);

    if (rc == MDM_OK && *is != MDM_DDM_IS_PREDICATE) {
        rc = mdm_ddm_predicate_path(pr, is);
    }

    if (rc == MDM_OK && *is != MDM_DDM_IS_PREDICATE
        && mdm_ddm_predicate_is(pr, '-'))
    {
        return mdm_ddm_predicate_outside(pr, "arithmetic");
    }

    return rc;
}


/* ".name", ".@count", ".@key(name)" and "[FIRST]" behind a value */

static mdm_int_t
mdm_ddm_predicate_path(mdm_ddm_predicate_t *pr, mdm_ddm_is_e *is)
{
    mdm_int_t  rc;

    rc = MDM_OK;

    while (rc == MDM_OK) {

        if (mdm_ddm_predicate_is(pr, '[')) {
            *is = MDM_DDM_IS_VALUE;
            rc = mdm_ddm_predicate_index(pr);
            continue;
        }

        if (!mdm_ddm_predicate_is(pr, '.')) {
            break;
        }

        *is = MDM_DDM_IS_VALUE;

        rc = mdm_ddm_predicate_next(pr);
        if (rc != MDM_OK) {
            break;
        }

        switch (pr->token.type) {

        case MDM_DDM_TOKEN_ITEM:
            rc = mdm_ddm_predicate_item(pr);
            break;

        case MDM_DDM_TOKEN_NAME:
        case MDM_DDM_TOKEN_AT:
            rc = mdm_ddm_predicate_next(pr);
            break;

        case MDM_DDM_TOKEN_TEXT:
            rc = mdm_ddm_predicate_outside(pr, "a variable");
            break;

        default:

            /* words of the language are names, too, some with a "#" */

            rc = (pr->token.type != MDM_DDM_TOKEN_END
                  && pr->token.type != MDM_DDM_TOKEN_NUMBER
                  && (*pr->token.start >= 'A'))
                 ? mdm_ddm_predicate_outside(pr, "a name that is a word of "
                                             "the language")
                 : mdm_ddm_predicate_wrong(pr, "a name expected behind "
                                           "\".\"");
        }
    }

    return rc;
}


static mdm_int_t
mdm_ddm_predicate_index(mdm_ddm_predicate_t *pr)
{
    mdm_int_t     rc;
    mdm_ddm_is_e  is;

    rc = mdm_ddm_predicate_deeper(pr);

    if (rc == MDM_OK) {
        rc = mdm_ddm_predicate_operand(pr, &is);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    pr->depth--;

    return mdm_ddm_predicate_expect(pr, ']', "\"]\" expected");
}


static mdm_int_t
mdm_ddm_predicate_primary(mdm_ddm_predicate_t *pr, mdm_ddm_is_e *is)
{
    *is = MDM_DDM_IS_VALUE;

    switch (pr->token.type) {

    case MDM_DDM_TOKEN_NUMBER:
        *is = MDM_DDM_IS_NUMBER;
        break;

    case MDM_DDM_TOKEN_STRING:
        *is = MDM_DDM_IS_STRING;
        break;

    case MDM_DDM_TOKEN_CONSTANT:
        *is = MDM_DDM_IS_CONSTANT;
        break;

    case MDM_DDM_TOKEN_PREDICATE:
        *is = MDM_DDM_IS_PREDICATE;
        break;

    case MDM_DDM_TOKEN_NAME:
    case MDM_DDM_TOKEN_VARIABLE:
    case MDM_DDM_TOKEN_TEXT:
    case MDM_DDM_TOKEN_AT:
        break;

    case MDM_DDM_TOKEN_ITEM:
        return mdm_ddm_predicate_item(pr);

    case MDM_DDM_TOKEN_SUBQUERY:
        return mdm_ddm_predicate_subquery(pr);

    case MDM_DDM_TOKEN_CHAR:
        return mdm_ddm_predicate_mark(pr, is);

    default:
        return mdm_ddm_predicate_wrong(pr, "a value expected");
    }

    return mdm_ddm_predicate_next(pr);
}


/* what begins with a bracket or a sign */

static mdm_int_t
mdm_ddm_predicate_mark(mdm_ddm_predicate_t *pr, mdm_ddm_is_e *is)
{
    mdm_int_t  rc;

    switch (*pr->token.start) {

    case '(':
        rc = mdm_ddm_predicate_deeper(pr);

        if (rc == MDM_OK) {
            rc = mdm_ddm_predicate_or(pr, is);
        }

        if (rc != MDM_OK) {
            return rc;
        }

        pr->depth--;

        return mdm_ddm_predicate_expect(pr, ')',
                                        (*is == MDM_DDM_IS_PREDICATE)
                                        ? "AND, OR or \")\" expected"
                                        : "an operator or \")\" expected");

    case '{':
        return mdm_ddm_predicate_list(pr, is);

    case '-':
        rc = mdm_ddm_predicate_next(pr);
        if (rc != MDM_OK) {
            return rc;
        }

        if (pr->token.type != MDM_DDM_TOKEN_NUMBER) {
            return mdm_ddm_predicate_outside(pr, "arithmetic");
        }

        *is = MDM_DDM_IS_NUMBER;

        return mdm_ddm_predicate_next(pr);

    default:
        return mdm_ddm_predicate_wrong(pr, "a value expected");
    }
}


/* {a, b, …} */

static mdm_int_t
mdm_ddm_predicate_list(mdm_ddm_predicate_t *pr, mdm_ddm_is_e *is)
{
    mdm_int_t     rc;
    mdm_uint_t    n;
    mdm_ddm_is_e  of;

    rc = mdm_ddm_predicate_deeper(pr);

    n = 0;

    if (rc == MDM_OK && !mdm_ddm_predicate_is(pr, '}')) {

        for ( ;; ) {
            rc = mdm_ddm_predicate_operand(pr, &of);
            n++;

            if (rc == MDM_OK && of == MDM_DDM_IS_PREDICATE) {
                return mdm_ddm_predicate_wrong(pr, "an operator has no place "
                                               "in a list");
            }

            if (rc != MDM_OK || !mdm_ddm_predicate_is(pr, ',')) {
                break;
            }

            rc = mdm_ddm_predicate_next(pr);
            if (rc != MDM_OK) {
                break;
            }
        }
    }

    if (rc != MDM_OK) {
        return rc;
    }

    *is = (n == 2) ? MDM_DDM_IS_PAIR : MDM_DDM_IS_LIST;
    pr->depth--;

    return mdm_ddm_predicate_expect(pr, '}', "\",\" or \"}\" expected");
}


/* SUBQUERY(collection, $variable, predicate) */

static mdm_int_t
mdm_ddm_predicate_subquery(mdm_ddm_predicate_t *pr)
{
    mdm_int_t     rc;
    mdm_ddm_is_e  is = MDM_DDM_IS_VALUE;

    rc = mdm_ddm_predicate_next(pr);

    if (rc == MDM_OK && !mdm_ddm_predicate_is(pr, '(')) {
        return mdm_ddm_predicate_wrong(pr, "\"(\" expected behind SUBQUERY");
    }

    if (rc == MDM_OK) {
        rc = mdm_ddm_predicate_deeper(pr);
    }

    if (rc == MDM_OK) {
        rc = mdm_ddm_predicate_operand(pr, &is);
    }

    if (rc == MDM_OK) {
        rc = mdm_ddm_predicate_expect(pr, ',', "\",\" expected");
    }

    if (rc == MDM_OK && pr->token.type != MDM_DDM_TOKEN_VARIABLE) {
        return mdm_ddm_predicate_wrong(pr, "a variable, as $x, expected");
    }

    if (rc == MDM_OK) {
        rc = mdm_ddm_predicate_next(pr);
    }

    if (rc == MDM_OK) {
        rc = mdm_ddm_predicate_expect(pr, ',', "\",\" expected");
    }

    if (rc == MDM_OK) {
        rc = mdm_ddm_predicate_or(pr, &is);
    }

    if (rc == MDM_OK) {
        rc = mdm_ddm_predicate_need(pr, is);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    pr->depth--;

    return mdm_ddm_predicate_expect(pr, ')', "AND, OR or \")\" expected");
}


static mdm_int_t
mdm_ddm_predicate_item(mdm_ddm_predicate_t *pr)
{
    mdm_int_t         rc;
    mdm_str_t         text;
    mdm_quote_t       quote;
    const mdm_str_t  *name;

    rc = MDM_OK;
    name = &pr->token.name;

    if (pr->token.quoted) {
        rc = mdm_ddm_predicate_say(pr, "a name without quotes expected",
                                   name->data - 1);

    } else if (pr->token.spaced) {
        rc = mdm_ddm_predicate_say(pr, "a name without spaces expected",
                                   name->data);
    }

    if (rc == MDM_OK && mdm_str_is(&pr->token.word, "status")
        && memchr(name->data, '$', name->len) == NULL
        && mdm_ddm_item_owner(name) == NULL && !pr->token.spaced)
    {
        if (mdm_printf(pr->arena, &text, "unknown status item \"%s\"",
                       mdm_quote(&quote, (char *) name->data, name->len))
            != MDM_OK)
        {
            return MDM_ERROR;
        }

        rc = mdm_ddm_unknown(pr->arena, pr->place, (char *) text.data,
                             pr->strict, pr->result);
    }

    return (rc == MDM_OK) ? mdm_ddm_predicate_next(pr) : rc;
}


/* a predicate has to be there, not a value alone */

static mdm_int_t
mdm_ddm_predicate_need(mdm_ddm_predicate_t *pr, mdm_ddm_is_e is)
{
    if (is == MDM_DDM_IS_PREDICATE) {
        return MDM_OK;
    }

    if (pr->token.type == MDM_DDM_TOKEN_TEXT) {
        return mdm_ddm_predicate_outside(pr, "a variable");
    }

    return mdm_ddm_predicate_wrong(pr, "an operator expected");
}


static mdm_int_t
mdm_ddm_predicate_next(mdm_ddm_predicate_t *pr)
{
    mdm_ddm_predicate_token(&pr->token, pr->token.end, pr->end);

    if (pr->token.type == MDM_DDM_TOKEN_WRONG) {
        return mdm_ddm_predicate_wrong(pr, pr->token.what);
    }

    if (pr->token.type == MDM_DDM_TOKEN_OUTSIDE) {
        return mdm_ddm_predicate_outside(pr, pr->token.what);
    }

    return MDM_OK;
}


static mdm_int_t
mdm_ddm_predicate_expect(mdm_ddm_predicate_t *pr, u_char c, const char *what)
{
    if (!mdm_ddm_predicate_is(pr, c)) {
        return (pr->token.type == MDM_DDM_TOKEN_TEXT)
               ? mdm_ddm_predicate_outside(pr, "a variable")
               : mdm_ddm_predicate_wrong(pr, what);
    }

    return mdm_ddm_predicate_next(pr);
}


/* past an opening bracket */

static mdm_int_t
mdm_ddm_predicate_deeper(mdm_ddm_predicate_t *pr)
{
    if (pr->depth++ == MDM_DDM_BRACKETS) {
        return mdm_ddm_predicate_outside(pr, "what is in so many brackets");
    }

    return mdm_ddm_predicate_next(pr);
}


static mdm_int_t
mdm_ddm_predicate_wrong(mdm_ddm_predicate_t *pr, const char *what)
{
    pr->what = what;
    pr->at = pr->token.start;

    return MDM_DECLINED;
}


static mdm_int_t
mdm_ddm_predicate_outside(mdm_ddm_predicate_t *pr, const char *what)
{
    pr->what = what;
    pr->at = pr->token.start;

    return MDM_DONE;
}


/* where it is counts from 1, in bytes */

static mdm_int_t
mdm_ddm_predicate_say(mdm_ddm_predicate_t *pr, const char *what,
    const u_char *at)
{
    mdm_str_t  text;

    if (mdm_printf(pr->arena, &text, "%s, at byte %zu", what,
                   (size_t) (at - pr->start) + 1)
        != MDM_OK)
    {
        return MDM_ERROR;
    }

    return mdm_ddm_unknown(pr->arena, pr->place, (char *) text.data,
                           pr->strict, pr->result);
}


/* brackets and quotes are looked at even so */

static mdm_int_t
mdm_ddm_predicate_unchecked(mdm_ddm_predicate_t *pr,
    const mdm_str_t *predicate)
{
    mdm_str_t      text;
    const char    *what;
    const u_char  *at;

    at = pr->at;
    what = mdm_ddm_predicate_brackets(predicate, MDM_DDM_BRACKETS, &at);

    if (what != NULL) {
        return mdm_ddm_predicate_say(pr, what, at);
    }

    if (mdm_printf(pr->arena, &text, "%s: %s is not checked, at byte %zu",
                   pr->place, pr->what, (size_t) (pr->at - pr->start) + 1)
        != MDM_OK)
    {
        return MDM_ERROR;
    }

    return mdm_schema_warn(pr->arena, pr->result, &text);
}
