
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Finds the usual mistakes in the predicate of an activation.
 */


#include "mdm_ddm_check.h"
#include "mdm_ddm_item.h"
#include "mdm_ddm_predicate.h"


typedef struct {
    mdm_arena_t              *arena;
    const char               *place;
    const u_char             *start;
    const u_char             *end;
    mdm_schema_result_t      *result;
    mdm_uint_t                strict;
    mdm_uint_t                depth;
    u_char                    closing[MDM_DDM_BRACKETS];
    const u_char             *opened[MDM_DDM_BRACKETS];
} mdm_ddm_predicate_t;


static mdm_int_t mdm_ddm_predicate_walk(mdm_ddm_predicate_t *pr);
static mdm_int_t mdm_ddm_predicate_open(mdm_ddm_predicate_t *pr,
    const u_char *p);
static mdm_int_t mdm_ddm_predicate_close(mdm_ddm_predicate_t *pr,
    const u_char *p);
static mdm_int_t mdm_ddm_predicate_quoted(mdm_ddm_predicate_t *pr,
    const u_char **pos);
static mdm_int_t mdm_ddm_predicate_at(mdm_ddm_predicate_t *pr,
    const u_char **pos);
static mdm_int_t mdm_ddm_predicate_item(mdm_ddm_predicate_t *pr,
    const mdm_str_t *name);
static mdm_uint_t mdm_ddm_predicate_letter(u_char c);
static mdm_uint_t mdm_ddm_predicate_space(u_char c);
static mdm_int_t mdm_ddm_predicate_refuse(mdm_ddm_predicate_t *pr,
    const u_char *p, const char *what);


mdm_int_t
mdm_ddm_predicate(mdm_arena_t *arena, const mdm_str_t *predicate,
    const char *place, mdm_uint_t strict, mdm_schema_result_t *result)
{
    mdm_ddm_predicate_t  pr;

    memset(&pr, 0, sizeof(mdm_ddm_predicate_t));

    pr.arena = arena;
    pr.place = place;
    pr.start = predicate->data;
    pr.end = predicate->data + predicate->len;
    pr.strict = strict;
    pr.result = result;

    return mdm_ddm_predicate_walk(&pr);
}


static mdm_int_t
mdm_ddm_predicate_walk(mdm_ddm_predicate_t *pr)
{
    mdm_int_t      rc;
    mdm_uint_t     empty;
    const u_char  *p;

    empty = 1;
    p = pr->start;

    while (p != pr->end) {
        rc = MDM_OK;

        if (!mdm_ddm_predicate_space(*p)) {
            empty = 0;
        }

        switch (*p) {

        case '(':
        case '{':
        case '[':
            rc = mdm_ddm_predicate_open(pr, p++);
            break;

        case ')':
        case '}':
        case ']':
            rc = mdm_ddm_predicate_close(pr, p++);
            break;

        case '"':
        case '\'':
            rc = mdm_ddm_predicate_quoted(pr, &p);
            break;

        case '@':
            rc = mdm_ddm_predicate_at(pr, &p);
            break;

        default:
            p++;
        }

        if (rc != MDM_OK) {
            return rc;
        }
    }

    if (pr->depth != 0) {
        return mdm_ddm_predicate_refuse(pr, pr->opened[pr->depth - 1],
                                        "a bracket is not closed");
    }

    if (empty) {
        return mdm_ddm_predicate_refuse(pr, pr->start, "is empty");
    }

    return MDM_OK;
}


static mdm_int_t
mdm_ddm_predicate_open(mdm_ddm_predicate_t *pr, const u_char *p)
{
    if (pr->depth == MDM_DDM_BRACKETS) {
        return mdm_ddm_predicate_refuse(pr, p, "too many brackets within "
                                        "each other");
    }

    pr->closing[pr->depth] = (*p == '(') ? ')' : (*p == '{') ? '}' : ']';
    pr->opened[pr->depth++] = p;

    return MDM_OK;
}


static mdm_int_t
mdm_ddm_predicate_close(mdm_ddm_predicate_t *pr, const u_char *p)
{
    if (pr->depth == 0) {
        return mdm_ddm_predicate_refuse(pr, p, "a bracket closes none");
    }

    if (pr->closing[--pr->depth] != *p) {
        return mdm_ddm_predicate_refuse(pr, p, "a bracket closes one of "
                                        "another kind");
    }

    return MDM_OK;
}


/* a backslash takes the next character with it */

static mdm_int_t
mdm_ddm_predicate_quoted(mdm_ddm_predicate_t *pr, const u_char **pos)
{
    const u_char  *p;

    for (p = *pos + 1; p != pr->end && *p != **pos; p++) {

        if (*p != '\\') {
            continue;
        }

        p++;

        if (p == pr->end) {
            break;
        }
    }

    if (p == pr->end) {
        return mdm_ddm_predicate_refuse(pr, *pos, "a quote is not closed");
    }

    *pos = p + 1;

    return MDM_OK;
}


/*
 * "@status(item)", "@property(key)" and "@key(name)" are Apple's; any other
 * word, as in ".@count", is one that predicates have had before.
 */

static mdm_int_t
mdm_ddm_predicate_at(mdm_ddm_predicate_t *pr, const u_char **pos)
{
    size_t          i;
    mdm_str_t       word, name;
    const u_char   *p, *at;
    mdm_uint_t      apple;

    static const char  *words[] = { "status", "property", "key" };

    at = *pos;
    p = at + 1;

    while (p != pr->end && mdm_ddm_predicate_letter(*p)) {
        p++;
    }

    word.data = (u_char *) at + 1;
    word.len = (size_t) (p - at - 1);

    if (word.len == 0) {
        return mdm_ddm_predicate_refuse(pr, at, "a word expected behind "
                                        "\"@\"");
    }

    *pos = p;
    apple = 0;

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        apple |= mdm_str_is(&word, words[i]);
    }

    if (!apple) {
        return MDM_OK;
    }

    if (p == pr->end || *p != '(') {
        return mdm_ddm_predicate_refuse(pr, at, "\"(\" expected behind "
                                        "\"@status\", \"@property\", "
                                        "\"@key\"");
    }

    name.data = (u_char *) ++p;

    while (p != pr->end && *p != ')' && *p != '(' && *p != '"' && *p != '\''
           && *p != '@' && !mdm_ddm_predicate_space(*p))
    {
        p++;
    }

    name.len = (size_t) (p - name.data);

    if (p == pr->end || *p != ')' || name.len == 0) {
        return mdm_ddm_predicate_refuse(pr, at, "a name and \")\" expected");
    }

    *pos = p + 1;

    return mdm_str_is(&word, "status") ? mdm_ddm_predicate_item(pr, &name)
                                       : MDM_OK;
}


static mdm_int_t
mdm_ddm_predicate_item(mdm_ddm_predicate_t *pr, const mdm_str_t *name)
{
    mdm_str_t           text;
    mdm_quote_t  quote;

    if (memchr(name->data, '$', name->len) != NULL
        || mdm_ddm_item_owner(name) != NULL)
    {
        return MDM_OK;
    }

    if (mdm_printf(pr->arena, &text, "unknown status item \"%s\"",
                   mdm_quote(&quote, (char *) name->data, name->len))
        != MDM_OK)
    {
        return MDM_ERROR;
    }

    return mdm_ddm_unknown(pr->arena, pr->place, (char *) text.data,
                           pr->strict, pr->result);
}


static mdm_uint_t
mdm_ddm_predicate_letter(u_char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}


static mdm_uint_t
mdm_ddm_predicate_space(u_char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}


/* where it is counts from 1, in bytes */

static mdm_int_t
mdm_ddm_predicate_refuse(mdm_ddm_predicate_t *pr, const u_char *p,
    const char *what)
{
    mdm_str_t  text;

    if (mdm_printf(pr->arena, &text, "%s, at byte %zu", what,
                   (size_t) (p - pr->start) + 1)
        != MDM_OK)
    {
        return MDM_ERROR;
    }

    return mdm_ddm_unknown(pr->arena, pr->place, (char *) text.data, 1,
                           pr->result);
}
