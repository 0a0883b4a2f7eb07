#include "wire/blobs/blob_kind.h"
#include "wire/blobs/forms.h"
#include "wire/blobs/rules.h"
#include "wire/blobs/search_folder.h"

namespace mapigate::wire::blobs {

std::span<const BlobKind> rule_kinds() {
  static constexpr BlobKind kinds[] = {
      kind<RuleActions>("rule-actions", "PidTagRuleActions"),
      kind<ExtendedRuleActions>("extended-rule-actions", "PidTagExtendedRuleMessageActions"),
      kind<RuleCondition>("rule-condition", "conditions of rule messages, counts of 16 bits"),
      kind<ExtendedRuleCondition>("extended-rule-condition", "PidTagExtendedRuleMessageCondition"),
      buildable_kind<RopRestriction>("restriction", "PidTagRuleCondition, restrictions in ROPs"),
      kind<StoredRestriction>("stored-restriction", "restrictions of search folders"),
      kind<SearchFolderDefinition>("search-folder", "PidTagSearchFolderDefinition"),
      kind<PropertyDefinitionStream>("property-definition", "PidLidPropertyDefinitionStream"),
      kind<FolderUserFields>("folder-user-fields", "PidTagUserFields"),
      kind<VerbStream>("verb-stream", "PidLidVerbStream"),
      kind<PropertyList>("properties", "property values as Outlook stores them"),
      kind<RecipientRowStream>("recipient-rows", "recipients as Outlook stores them"),
      kind<NicknameCache>("nickname-cache", "the autocomplete stream"),
  };
  return kinds;
}

}  // namespace mapigate::wire::blobs
